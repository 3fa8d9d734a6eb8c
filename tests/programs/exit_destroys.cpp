// exit() in a thread destroys the thread-local objects of that thread, and then the static ones.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

struct Named {
  explicit Named(const char* given) : name(given) {}
  ~Named() { std::printf("%s is destroyed\n", name.c_str()); }
  std::string name;
};

static Named of_program("the program's");
static thread_local Named first("the first"), second("the second");

struct Adds {
  ~Adds() {
    thread_local Named late("one that a destructor has made");
    std::printf("makes %s\n", late.name.c_str());
  }
};

static void end_well() {
  std::printf("has %s\n", first.name.c_str());
}

static void end_all() {
  thread_local Adds adds;
  (void)&adds;
  std::printf("exit of a thread with %s\n", second.name.c_str());
  std::exit(3);
}

int main() {
  std::printf("main() has %s\n", first.name.c_str());
  for (int i = 0; i < 3; ++i) std::thread(end_well).join();
  std::thread(end_all).join();
}
