// A fast Fourier transform and back, a barrier after each step.
#include <cmath>
#include <complex>
#include <cstdio>
#include <pthread.h>
#include <thread>
#include <utility>
#include <vector>

namespace {

constexpr int thread_count = 4, log_n = 13;
constexpr std::size_t n = std::size_t{1} << log_n;

std::vector<std::complex<double>> data(n);
pthread_barrier_t barrier;

std::size_t reversed(std::size_t i) {
  std::size_t result = 0;
  for (int bit = 0; bit < log_n; ++bit) result |= (i >> bit & 1) << (log_n - 1 - bit);
  return result;
}

void transform(int me, double sign) {
  for (std::size_t i = static_cast<std::size_t>(me); i < n; i += thread_count)
    if (reversed(i) > i) std::swap(data[i], data[reversed(i)]);
  pthread_barrier_wait(&barrier);
  for (std::size_t half = 1; half < n; half *= 2) {
    const std::size_t begin = n / 2 / thread_count * static_cast<std::size_t>(me);
    for (std::size_t b = begin; b < begin + n / 2 / thread_count; ++b) {
      const std::size_t k = b % half, low = b / half * 2 * half + k;
      const auto turned =
          data[low + half] * std::polar(1.0, sign * M_PI * double(k) / double(half));
      data[low + half] = data[low] - turned;
      data[low] += turned;
    }
    pthread_barrier_wait(&barrier);
  }
}

void run(int me) {
  transform(me, 1);
  transform(me, -1);
}

}  // namespace

int main() {
  for (std::size_t i = 0; i < n; ++i) data[i] = {double(i % 97), double(i % 31)};
  pthread_barrier_init(&barrier, nullptr, thread_count);
  std::vector<std::thread> threads;
  for (int i = 0; i < thread_count; ++i) threads.emplace_back(run, i);
  for (std::thread& thread : threads) thread.join();
  double error = 0;
  for (std::size_t i = 0; i < n; ++i)
    error += std::abs(data[i] / double(n) - std::complex<double>(double(i % 97), double(i % 31)));
  std::printf("%d\n", error < 1e-6);
}
