// std::cout, std::cin and file streams in threads.
#include <fstream>
#include <iomanip>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>

namespace {

void run(int me) {
  std::cout << "thread " << me << ' ' << std::setprecision(3) << 3.14159 << std::endl;
  std::string word;
  int number = 0;
  std::cin >> word >> number;
  std::cout << word << ' ' << std::hex << number << std::dec << '\n';
  std::ofstream("stream.txt", me == 0 ? std::ios::trunc : std::ios::app)
      << "line " << me << " of a file\n";
  std::ostringstream text;
  text << std::setw(6) << std::setfill('.') << me;
  std::cout << text.str() << '\n';
}

}  // namespace

int main() {
  for (int i = 0; i < 4; ++i) std::thread(run, i).join();
  std::ifstream file("stream.txt");
  for (std::string line; std::getline(file, line);) std::cout << line << '\n';
  std::thread([] {
    std::ifstream again("stream.txt");
    std::stringstream all;
    all << again.rdbuf();
    std::cout << all.str().size() << '\n';
  }).join();
}
