/* Scalar C yardstick: experiment 2a (topology B: one cell with an input gate, every output sees all inputs and the cell), float64,
 * one-hot inputs as indices, errors at every step.  gcc -O3 -march=native -ffast-math noise_free.c -o noise_free -lm && ./noise_free 100 2000
 * Prints: ns per time step. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX = 1024 };
static double w_in[MAX], w_cell[MAX], p_in[MAX], p_cell[MAX], w_k[MAX][MAX], w_kc[MAX], e[MAX];
static uint64_t state = 88172645463325252ULL;

static inline double uniform(void) {
    state ^= state >> 12; state ^= state << 25; state ^= state >> 27;
    return (double)((state * 2685821657736338717ULL) >> 11) * (1.0 / 9007199254740992.0);
}
static inline double logistic(double v) { return 1.0 / (1.0 + exp(-v)); }

int main(int argc, char **argv) {
    int p = argc > 1 ? atoi(argv[1]) : 100, n = p + 1;
    long sequences = argc > 2 ? atol(argv[2]) : 2000, steps = 0;
    const double alpha = 1.0;
    if (p < 2 || n > MAX) return 2;
    for (int i = 0; i < n; i++) {
        w_in[i] = 0.4 * uniform() - 0.2; w_cell[i] = 0.4 * uniform() - 0.2; w_kc[i] = 0.4 * uniform() - 0.2;
        for (int k = 0; k < n; k++) w_k[i][k] = 0.4 * uniform() - 0.2;
    }
    struct timespec t0, t1; clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t0);
    double worst = 0;
    for (long q = 0; q < sequences; q++) {
        int first = uniform() < 0.5 ? p - 1 : p;   /* x or y */
        double s = 0;
        memset(p_in, 0, sizeof(double) * n); memset(p_cell, 0, sizeof(double) * n);
        for (int t = 0; t < p; t++, steps++) {
            int x = t ? t - 1 : first, next = t == p - 1 ? first : t;
            double y_in = logistic(w_in[x]), g = logistic(w_cell[x]);
            s += y_in * g;
            p_cell[x] += g * (1 - g) * y_in; p_in[x] += g * y_in * (1 - y_in);
            double back = 0;
            for (int k = 0; k < n; k++) {
                double y = logistic(w_k[x][k] + w_kc[k] * s), d = (k == next) - y;
                e[k] = y * (1 - y) * d;
                back += w_kc[k] * e[k];
                worst = fmax(worst, fabs(d));
            }
            for (int k = 0; k < n; k++) { w_k[x][k] += alpha * e[k]; w_kc[k] += alpha * e[k] * s; }
            for (int i = 0; i < n; i++) { w_in[i] += alpha * back * p_in[i]; w_cell[i] += alpha * back * p_cell[i]; }
        }
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t1);
    double ns = (t1.tv_sec - t0.tv_sec) * 1e9 + (t1.tv_nsec - t0.tv_nsec);
    printf("%.1f ns/step  (%ld steps, largest error %.4f)\n", ns / steps, steps, worst);
    return 0;
}
