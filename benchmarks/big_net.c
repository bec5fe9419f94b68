/* Scalar C yardstick for one big net: the 1997 LSTM (topology F, all biases, blocks of one cell, g, h and logistic outputs),
 * float64, dense inputs, a target at every step or at every n-th, weights changed at once.
 *   gcc -O3 -march=native -ffast-math big_net.c -o big_net -lm && ./big_net INPUTS OUTPUTS BLOCKS STEPS EVERY REPEATS
 * Prints the number of weights, the sum of the last step's outputs after the first repeat (big_net.py compares it with the
 * package's) and the nanoseconds of processor time per weight and step of each repeat. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double *zeros(long n) {
    double *p = aligned_alloc(64, (n * sizeof(double) + 63) / 64 * 64);
    memset(p, 0, n * sizeof(double));
    return p;
}
static double logistic(double v) { return 1.0 / (1.0 + exp(-v)); }
static double dot(const double *restrict a, const double *restrict b, int n) {
    double sum = 0;
    for (int m = 0; m < n; m++) sum += a[m] * b[m];
    return sum;
}
static void add(double *restrict a, double factor, const double *restrict b, int n) {
    for (int m = 0; m < n; m++) a[m] += factor * b[m];
}

int main(int argc, char **argv) {
    if (argc != 7) return 2;
    const int I = atoi(argv[1]), K = atoi(argv[2]), B = atoi(argv[3]), every = atoi(argv[5]), repeats = atoi(argv[6]);
    const long steps = atol(argv[4]), W = 3L * B * (I + 3 * B + 1) + (long)K * (B + 1);
    const int M = I + 3 * B + 1; /* inputs, cells, input gates, output gates, bias */
    const double alpha = 0.01;
    double *w_in = zeros((long)B * M), *w_out = zeros((long)B * M), *w_cell = zeros((long)B * M), *w_k = zeros((long)K * (B + 1));
    double *p_cell = zeros((long)B * M), *p_gate = zeros((long)B * M), *z = zeros(M), *s = zeros(B), *h = zeros(B);
    double *y_in = zeros(B), *y_out = zeros(B), *y_k = zeros(K), *e_k = zeros(K), *y_c = zeros(B + 1), *back = zeros(B);
    double *x = zeros(steps * I), *d = zeros(steps * K), *groups[4] = {w_in, w_out, w_cell, w_k};
    long sizes[4] = {(long)B * M, (long)B * M, (long)B * M, (long)K * (B + 1)}, n = 0;
    for (int g = 0; g < 4; g++) for (long i = 0; i < sizes[g]; i++) groups[g][i] = 0.1 * sin(0.7 * n++);
    for (long i = 0; i < steps * I; i++) x[i] = sin(1.3 * i);
    for (long i = 0; i < steps * K; i++) d[i] = 0.5 + 0.4 * sin(0.9 * i);
    z[M - 1] = y_c[B] = 1;
    for (int r = 0; r < repeats; r++) {
        struct timespec t0, t1;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t0);
        for (long t = 0; t < steps; t++) {
            memcpy(z, x + t * I, I * sizeof(double));
            for (int c = 0; c < B; c++) {
                const long row = (long)c * M;
                y_in[c] = logistic(dot(w_in + row, z, M));
                y_out[c] = logistic(dot(w_out + row, z, M));
                const double f = logistic(dot(w_cell + row, z, M)), g = 4 * f - 2;
                const double to_cell = 4 * f * (1 - f) * y_in[c], to_gate = g * y_in[c] * (1 - y_in[c]);
                s[c] += y_in[c] * g;
                add(p_cell + row, to_cell, z, M);
                add(p_gate + row, to_gate, z, M);
                h[c] = 2 * logistic(s[c]) - 1;
                y_c[c] = y_out[c] * h[c];
            }
            for (int k = 0; k < K; k++) y_k[k] = logistic(dot(w_k + k * (B + 1), y_c, B + 1));
            if ((t + 1) % every == 0) {
                memset(back, 0, B * sizeof(double));
                for (int k = 0; k < K; k++) {
                    e_k[k] = y_k[k] * (1 - y_k[k]) * (d[t * K + k] - y_k[k]);
                    add(back, e_k[k], w_k + k * (B + 1), B);
                    add(w_k + k * (B + 1), alpha * e_k[k], y_c, B + 1);
                }
                for (int c = 0; c < B; c++) {
                    const long row = (long)c * M;
                    const double e_s = alpha * y_out[c] * 0.5 * (1 - h[c] * h[c]) * back[c];
                    add(w_cell + row, e_s, p_cell + row, M);
                    add(w_in + row, e_s, p_gate + row, M);
                    add(w_out + row, alpha * y_out[c] * (1 - y_out[c]) * h[c] * back[c], z, M);
                }
            }
            memcpy(z + I, y_c, B * sizeof(double));
            memcpy(z + I + B, y_in, B * sizeof(double));
            memcpy(z + I + 2 * B, y_out, B * sizeof(double));
        }
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t1);
        if (r == 0) {
            double sum = 0;
            for (int k = 0; k < K; k++) sum += y_k[k];
            printf("%ld\n%.15g\n", W, sum);
        }
        printf("%.6g\n", ((t1.tv_sec - t0.tv_sec) * 1e9 + (t1.tv_nsec - t0.tv_nsec)) / steps / W);
    }
    return 0;
}
