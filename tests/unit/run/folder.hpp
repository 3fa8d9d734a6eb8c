// A folder with files to execute, for as long as a test takes.
#pragma once

#include <fmt/format.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <fstream>
#include <string>

#include "../temporary_folder.hpp"

struct Folder : TemporaryFolder {
  std::string operator/(const std::string& name) const { return path + "/" + name; }

  std::string write(const std::string& name, const std::string& text, mode_t mode = 0755) const {
    std::ofstream{*this / name} << text;
    REQUIRE(::chmod((*this / name).c_str(), mode) == 0);
    return *this / name;
  }

  void command(const std::string& words) const {
    REQUIRE_MESSAGE(::system(fmt::format("cd {} && {}", path, words).c_str()) == 0, words);
  }

  std::string compile(const std::string& name, const std::string& flags = "") const {
    const char* compiler = ::getenv("CC");
    write("main.c", "int main(void) { return 0; }\n", 0644);
    command(fmt::format("{} main.c -o {} {}", compiler != nullptr ? compiler : "cc", name, flags));
    return *this / name;
  }
};
