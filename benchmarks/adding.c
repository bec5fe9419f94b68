/* Scalar C yardstick: the 1997 LSTM on the adding problem (93 weights, 2 blocks of 2 cells), float64, input generation
 * included.  gcc -O3 -march=native -ffast-math adding.c -o adding -lm && ./adding 100 40000
 * Prints: ns per time step. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { I = 2, BLOCKS = 2, SIZE = 2, CELLS = 4, SOURCES = 11 };
static double w_cell[CELLS][SOURCES], w_in[BLOCKS][SOURCES], w_out[BLOCKS][SOURCES], w_k[CELLS + 1];
static double z[SOURCES], s[CELLS], hs[CELLS], yc[CELLS], y_in[BLOCKS], y_out[BLOCKS];
static double d_cell[CELLS][SOURCES], d_in[CELLS][SOURCES], x[4400][2];
static uint64_t state = 88172645463325252ULL;

static inline double uniform(void) {
    state ^= state >> 12; state ^= state << 25; state ^= state >> 27;
    return (double)((state * 2685821657736338717ULL) >> 11) * (1.0 / 9007199254740992.0);
}
static inline double logistic(double v) { return 1.0 / (1.0 + exp(-v)); }

int main(int argc, char **argv) {
    int T = argc > 1 ? atoi(argv[1]) : 100;
    long sequences = argc > 2 ? atol(argv[2]) : 40000, steps = 0;
    const double alpha = 0.5;
    for (int c = 0; c < CELLS; c++) for (int m = 0; m < SOURCES; m++) w_cell[c][m] = 0.1 * (2 * uniform() - 1);
    for (int j = 0; j < BLOCKS; j++) for (int m = 0; m < SOURCES; m++) {
        w_in[j][m] = 0.1 * (2 * uniform() - 1); w_out[j][m] = 0.1 * (2 * uniform() - 1);
    }
    for (int c = 0; c <= CELLS; c++) w_k[c] = 0.1 * (2 * uniform() - 1);
    w_in[0][SOURCES - 1] = -3; w_in[1][SOURCES - 1] = -6; z[SOURCES - 1] = 1;
    struct timespec t0, t1; clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t0);
    double mean = 0.25;
    for (long q = 0; q < sequences; q++) {
        int L = T + (int)(uniform() * (T / 10 + 1));
        for (int t = 0; t < L; t++) { x[t][0] = 2 * uniform() - 1; x[t][1] = 0; }
        x[0][1] = -1; x[L - 1][1] = -1;
        int a = uniform() * 10, b = uniform() * (T / 2 - 1);
        if (b >= a) b++;
        if (!a || !b) x[0][0] = 0;
        x[a][1] = 1; x[b][1] = 1;
        double target = 0.5 + (x[a][0] + x[b][0]) / 4;
        memset(z, 0, sizeof(double) * (SOURCES - 1)); memset(s, 0, sizeof s);
        memset(d_cell, 0, sizeof d_cell); memset(d_in, 0, sizeof d_in);
        for (int t = 0; t < L; t++, steps++) {
            z[0] = x[t][0]; z[1] = x[t][1];
            for (int j = 0; j < BLOCKS; j++) {
                double ni = 0, no = 0;
                for (int m = 0; m < SOURCES; m++) { ni += w_in[j][m] * z[m]; no += w_out[j][m] * z[m]; }
                y_in[j] = logistic(ni); y_out[j] = logistic(no);
                for (int c = j * SIZE; c < (j + 1) * SIZE; c++) {
                    double nc = 0;
                    for (int m = 0; m < SOURCES; m++) nc += w_cell[c][m] * z[m];
                    double p = logistic(nc), g = 4 * p - 2, dc = 4 * p * (1 - p) * y_in[j], di = g * y_in[j] * (1 - y_in[j]);
                    s[c] += y_in[j] * g;
                    for (int m = 0; m < SOURCES; m++) { d_cell[c][m] += dc * z[m]; d_in[c][m] += di * z[m]; }
                    hs[c] = 2 * logistic(s[c]) - 1; yc[c] = y_out[j] * hs[c];
                }
            }
            if (t == L - 1) {
                double nk = w_k[CELLS];
                for (int c = 0; c < CELLS; c++) nk += w_k[c] * yc[c];
                double y = logistic(nk), e = target - y, ek = y * (1 - y) * e;
                mean += (fabs(e) - mean) / 2000;
                for (int j = 0; j < BLOCKS; j++) {
                    double sum = 0;
                    for (int c = j * SIZE; c < (j + 1) * SIZE; c++) {
                        double back = w_k[c] * ek, es = alpha * y_out[j] * 0.5 * (1 - hs[c] * hs[c]) * back;
                        sum += hs[c] * back;
                        for (int m = 0; m < SOURCES; m++) { w_cell[c][m] += es * d_cell[c][m]; w_in[j][m] += es * d_in[c][m]; }
                    }
                    double eo = alpha * y_out[j] * (1 - y_out[j]) * sum;
                    for (int m = 0; m < SOURCES; m++) w_out[j][m] += eo * z[m];
                }
                for (int c = 0; c < CELLS; c++) w_k[c] += alpha * ek * yc[c];
                w_k[CELLS] += alpha * ek;
            }
            for (int c = 0; c < CELLS; c++) z[I + c] = yc[c];
            for (int j = 0; j < BLOCKS; j++) { z[I + CELLS + j] = y_in[j]; z[I + CELLS + BLOCKS + j] = y_out[j]; }
        }
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t1);
    double ns = (t1.tv_sec - t0.tv_sec) * 1e9 + (t1.tv_nsec - t0.tv_nsec);
    printf("%.1f ns/step  (%ld steps, running mean error %.4f)\n", ns / steps, steps, mean);
    return 0;
}
