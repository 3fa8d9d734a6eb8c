#include "base/usable_memory.hpp"

#include <doctest/doctest.h>

#include <fstream>

#include "../temporary_folder.hpp"

using namespace gallocy;

namespace {

// The files of a machine that is not this one.
struct Machine : TemporaryFolder {
  void write(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(path + file).parent_path());
    std::ofstream{path + file} << text;
  }
  void groups(const std::string& text) const { write("/proc/self/cgroup", text); }
  std::uint64_t bytes() const {
    const auto limit = control_group_limit(path);
    return limit ? limit->bytes : 0;
  }
  std::string file() const {
    const auto limit = control_group_limit(path);
    return limit ? limit->file : "";
  }
};

}  // namespace

TEST_CASE("without control groups there is no limit") {
  const Machine machine;
  CHECK(!control_group_limit(machine.path));
  machine.groups("");
  CHECK(!control_group_limit(machine.path));
  machine.groups("nonsense\n0::\n:::\n4:memory\n");
  CHECK(!control_group_limit(machine.path));
  machine.groups("0::/a/b\n");  // nothing is mounted
  CHECK(!control_group_limit(machine.path));
}

TEST_CASE("the lowest limit of a group and all around it counts") {
  const Machine machine;
  machine.groups("0::/a/b/c\n");
  machine.write("/sys/fs/cgroup/a/b/c/memory.max", "max\n");
  CHECK(machine.bytes() == 0);
  machine.write("/sys/fs/cgroup/a/memory.max", "104857600\n");
  CHECK(machine.bytes() == 104857600);
  CHECK(machine.file() == "/sys/fs/cgroup/a/memory.max");
  machine.write("/sys/fs/cgroup/a/b/c/memory.max", "209715200\n");
  CHECK(machine.bytes() == 104857600);
  machine.write("/sys/fs/cgroup/a/b/memory.max", "52428800\n");
  CHECK(machine.bytes() == 52428800);
  machine.write("/sys/fs/cgroup/other/memory.max", "1\n");
  CHECK(machine.bytes() == 52428800);
}

TEST_CASE("a container whose group has another name outside finds its own limit") {
  const Machine machine;
  machine.write("/sys/fs/cgroup/memory.max", "1000000000\n");
  for (const char* const groups : {"0::/\n", "0::/docker/0123\n", "0::/../outside\n"}) {
    machine.groups(groups);
    CHECK(machine.bytes() == 1000000000);
  }
}

TEST_CASE("version 1 has the memory controller alone or with others") {
  const Machine machine;
  machine.write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  machine.write("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "104857600\n");
  machine.write("/sys/fs/cgroup/cpu/a/memory.limit_in_bytes", "1\n");
  for (const char* const line : {"4:memory:/a\n", "4:cpu,memory:/a\n", "4:memory,cpu:/a\n"}) {
    machine.groups(std::string("9:name=systemd:/a\n") + line + "1:cpu:/\n0::/\n");
    CHECK(machine.bytes() == 104857600);
    CHECK(machine.file() == "/sys/fs/cgroup/memory/a/memory.limit_in_bytes");
  }
  machine.groups("4:memorylike,cpu:/a\n");
  CHECK(!control_group_limit(machine.path));
}

TEST_CASE("what can be used here is something, and has a reason") {
  const MemoryLimit usable = usable_memory();
  CHECK(usable.bytes > 0);
  CHECK(half_of_usable_memory_bytes() == usable.bytes / 2);
  CHECK(MemoryLimit{1, {}}.reason() == "this machine has");
  CHECK(MemoryLimit{1, "/f"}.reason() == "its control group may have (/f)");
}
