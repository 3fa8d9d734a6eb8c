// Aligned blocks, of C and of C++, freed by other threads.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <malloc.h>
#include <new>
#include <thread>
#include <vector>

namespace {

struct alignas(256) Wide {
  char bytes[256];
};

std::vector<void*> blocks[4];
Wide* wides[4];

bool is_aligned(const void* block, std::size_t alignment) {
  return reinterpret_cast<std::uintptr_t>(block) % alignment == 0;
}

int wrong[4];

void make(int me) {
  for (std::size_t alignment = 16; alignment <= 65536; alignment *= 2) {
    void* block = nullptr;
    wrong[me] += ::posix_memalign(&block, alignment, 100) != 0 || !is_aligned(block, alignment);
    blocks[me].push_back(block);
    blocks[me].push_back(std::aligned_alloc(alignment, 3 * alignment));
    wrong[me] += !is_aligned(blocks[me].back(), alignment);
    std::memset(blocks[me].back(), me, 3 * alignment);
    blocks[me].push_back(::memalign(alignment, 5));
    wrong[me] += !is_aligned(blocks[me].back(), alignment);
  }
  blocks[me].push_back(::valloc(5));
  wrong[me] += !is_aligned(blocks[me].back(), 4096);
  blocks[me].push_back(::pvalloc(5));
  wrong[me] += !is_aligned(blocks[me].back(), 4096) ||
               ::malloc_usable_size(blocks[me].back()) < 4096;
  std::memset(blocks[me].back(), me, 4096);
  wides[me] = new Wide[3];
  wrong[me] += !is_aligned(wides[me], 256);
}

void give(int me) {
  for (void* block : blocks[(me + 1) % 4]) std::free(block);
  delete[] wides[(me + 1) % 4];
}

void in_threads(void (*function)(int)) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(function, i);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

int main() {
  in_threads(make);
  in_threads(give);
  void* block = nullptr;
  std::printf("%d %d %d %d, %d\n", wrong[0], wrong[1], wrong[2], wrong[3],
              ::posix_memalign(&block, 24, 100) != 0);
}
