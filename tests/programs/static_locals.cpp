// Static variables of functions: made once, by whichever thread comes first, destroyed at exit.
#include <cstdio>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace {

struct Noisy {
  explicit Noisy(const char* name) : name_(name) { std::printf("%s is made\n", name_.c_str()); }
  ~Noisy() { std::printf("%s is destroyed\n", name_.c_str()); }
  std::string name_;
  int uses = 0;
};

Noisy& of_worker() {
  static Noisy noisy("that of a thread");
  return noisy;
}

Noisy& of_main() {
  static Noisy noisy("that of main");
  return noisy;
}

std::map<int, std::string>& table() {
  static std::map<int, std::string> made{{1, "one"}, {2, "two"}};
  return made;
}

std::mutex lock;

void run(int me) {
  const std::lock_guard guard(lock);
  ++of_worker().uses;
  table()[10 + me] = std::to_string(me);
}

}  // namespace

int main() {
  ++of_main().uses;
  std::thread(run, 0).join();
  std::vector<std::thread> threads;
  for (int i = 1; i < 6; ++i) threads.emplace_back(run, i);
  for (std::thread& thread : threads) thread.join();
  std::printf("%d %d %zu %s\n", of_main().uses, of_worker().uses, table().size(),
              table()[13].c_str());
}
