#include "run/inspect.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>

#include "folder.hpp"

using namespace gallocy::run;

namespace {

Options options_for(const std::string& program) {
  Options options;
  options.command = {program, "argument"};
  return options;
}

std::string obstacle_of(const std::string& path) {
  const Inspection inspection = inspect(path, options_for(path));
  if (!inspection.obstacle) return {};
  CHECK(inspection.obstacle->status == 69);
  CHECK(inspection.obstacle->sentence.starts_with(path));
  CHECK(inspection.obstacle->sentence.ends_with("run it on one node with --no-preload"));
  return inspection.obstacle->sentence;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

std::string contents_of(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

// A program that names libgallocy; the real one need not be there.
std::string compile_linked(const Folder& folder, const std::string& name) {
  folder.write("empty.c", "int gallocy_rank(void) { return 0; }\n", 0644);
  folder.command(fmt::format("{} -shared -fPIC -Wl,-soname,libgallocy.so.0 empty.c "
                             "-o libgallocy.so", ::getenv("CC")));
  return folder.compile(name, "-Wl,--no-as-needed libgallocy.so");
}

// One whose library names it.
std::string compile_linked_by_a_library(const Folder& folder, const std::string& name) {
  folder.write("library.c", "int middle(void) { return 1; }\n", 0644);
  compile_linked(folder, "unused");
  folder.command("cp libgallocy.so libgallocy.so.0");
  folder.command(fmt::format("{} -shared -fPIC library.c -Wl,--no-as-needed libgallocy.so "
                             "-Wl,-rpath,'$ORIGIN' "
                             "-Wl,-soname,libmiddle.so -o libmiddle.so", ::getenv("CC")));
  return folder.compile(name, "-Wl,--no-as-needed,-rpath,'$ORIGIN' ./libmiddle.so "
                              "-Wl,--allow-shlib-undefined");
}

}  // namespace

TEST_CASE("an ordinary program can be preloaded") {
  const Folder folder;
  for (const char* flags : {"", "-no-pie", "-s"}) {
    const std::string path = folder.compile("program", flags);
    const Inspection inspection = inspect(path, options_for(path));
    CHECK(!inspection.obstacle);
    CHECK(inspection.elf.dynamic_linker == "/lib64/ld-linux-x86-64.so.2");
    CHECK(inspection.elf.needed == std::vector<std::string>{"libc.so.6"});
    CHECK(!inspection.elf.needs_libgallocy());
  }
}

TEST_CASE("a static program can't") {
  const Folder folder;
  CHECK(has(obstacle_of(folder.compile("static", "-static")), "statically linked"));
  CHECK(has(obstacle_of(folder.compile("static_pie", "-static-pie")), "statically linked"));
}

TEST_CASE("another C library can't") {
  const Folder folder;
  const std::string sentence = obstacle_of(
      folder.compile("musl", "-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1"));
  CHECK(has(sentence, "not glibc, since its dynamic linker is /lib/ld-musl-x86_64.so.1"));
  CHECK(obstacle_of(folder.compile(
            "store", "-Wl,--dynamic-linker=/store/glibc/lib/ld-linux-x86-64.so.2")) == "");
}

TEST_CASE("Go can't, static or not") {
  const Folder folder;
  folder.compile("c");
  folder.write("section", "Go", 0644);
  for (const char* name : {".go.buildinfo", ".note.go.buildid"}) {
    folder.command(fmt::format("objcopy --add-section {}=section c go", name));
    CHECK(has(obstacle_of(folder / "go"), "it is a Go program"));
  }
}

TEST_CASE("another machine's program can't") {
  const Folder folder;
  std::string bytes = contents_of(folder.compile("program"));
  constexpr std::size_t machine_at = 18, class_at = 4, type_at = 16;
  bytes[machine_at] = static_cast<char>(183);  // EM_AARCH64
  CHECK(has(obstacle_of(folder.write("arm", bytes)), "no ELF program for x86-64"));
  bytes[machine_at] = 62;
  CHECK(obstacle_of(folder.write("right", bytes)) == "");
  bytes[type_at] = 1;  // ET_REL
  CHECK(has(obstacle_of(folder.write("object", bytes)), "no ELF program for x86-64"));
  bytes[type_at] = 3;
  bytes[class_at] = 1;  // 32 bits
  CHECK(has(obstacle_of(folder.write("small", bytes)), "no ELF program for x86-64"));
  CHECK(has(obstacle_of(folder.write("exe", std::string("MZ\0\1", 4))), "no ELF program"));
  CHECK(has(obstacle_of(folder.write("empty", "")), "no ELF program"));
}

TEST_CASE("a program that is cut off can't, and is not called static") {
  const Folder folder;
  const std::string bytes = contents_of(folder.compile("program"));
  for (const std::size_t size : {std::size_t{100}, std::size_t{700}, bytes.size() / 2})
    CHECK(has(obstacle_of(folder.write("cut", bytes.substr(0, size))), "its file is cut off"));
}

TEST_CASE("what gains privileges can't") {
  const Folder folder;
  const std::string path = folder.compile("setuid");
  if (::chown(path.c_str(), 65534, 65534) != 0) {
    MESSAGE("only root can make a program of somebody else's: not tested");
    return;
  }
  REQUIRE(::chmod(path.c_str(), 04755) == 0);
  CHECK(has(obstacle_of(path), "it is setuid, and"));
  REQUIRE(::chmod(path.c_str(), 02755) == 0);
  CHECK(has(obstacle_of(path), "it is setgid, and"));
  REQUIRE(::chmod(path.c_str(), 0755) == 0);
  CHECK(obstacle_of(path) == "");
}

TEST_CASE("of a script the interpreter is looked at") {
  const Folder folder;
  const std::string interpreter = folder.compile("static", "-static");
  const std::string script = folder.write("script", "#!" + interpreter + "\n");
  const Inspection inspection = inspect(script, options_for(script));
  REQUIRE(inspection.obstacle);
  CHECK(inspection.obstacle->status == 69);
  CHECK(inspection.obstacle->sentence.starts_with(
      fmt::format("{}, which runs {}, can't run on several nodes: it is static", interpreter,
                  script)));
  CHECK(!inspect(folder.write("shell", "exit 3\n"), options_for("shell")).obstacle);
}

TEST_CASE("a program that is linked with libgallocy is run as it is, whatever else it is") {
  const Folder folder;
  const std::string path = compile_linked(folder, "linked");
  folder.write("section", "Go", 0644);
  folder.command("objcopy --add-section .go.buildinfo=section linked");
  Options options = options_for(path);
  const Inspection inspection = inspect(path, options);
  CHECK(inspection.elf.needs_libgallocy());
  CHECK(inspection.obstacle);
  for (const std::optional<bool> said : {std::optional<bool>{}, std::optional<bool>{false}}) {
    options.preload = said;
    const auto program = choose(inspection, options);
    REQUIRE(program);
    CHECK(program->linked_with_libgallocy);
    CHECK(program->takes_part());
    CHECK(!program->is_preloaded());
    CHECK(program->path == path);
    CHECK(program->arguments == options.command);
  }
  options.preload = true;
  const auto refused = choose(inspection, options);
  REQUIRE(!refused);
  CHECK(refused.error().status == 64);
  CHECK(has(refused.error().sentence, path + " is linked with libgallocy; run it without"));
}

TEST_CASE("--no-preload runs everything else once") {
  const Folder folder;
  for (const std::string& path :
       {folder.compile("plain"), folder.compile("static", "-static"),
        folder.write("script", "#!/usr/bin/env true\n"),
        folder.write("broken", "#!/no/such/interpreter\n")}) {
    Options options = options_for(path);
    options.preload = false;
    const auto program = choose(inspect(path, options), options);
    REQUIRE(program);
    CHECK(!program->takes_part());
    CHECK(program->path == path);
    CHECK(program->arguments == options.command);
  }
}

TEST_CASE("every rank can't run a main() that is preloaded") {
  const Folder folder;
  const std::string path = folder.compile("plain");
  Options options = options_for(path);
  options.every_rank_runs_main = true;
  const auto program = choose(inspect(path, options), options);
  REQUIRE(!program);
  CHECK(program.error().status == 64);
}

TEST_CASE("an explanation names what was found") {
  const Folder folder;
  const std::string path = folder.compile("plain", "-Wl,--no-as-needed -lm");
  const std::string script = folder.write("script", "#!" + path + "\n");
  Options options = options_for(script);
  options.preload = false;
  const Inspection inspection = inspect(script, options);
  CHECK(explain(inspection, options, choose(inspection, options)) ==
        std::vector<std::string>{
            "program: " + script, "interpreter: " + path,
            "dynamic linker: /lib64/ld-linux-x86-64.so.2", "libraries: libm.so.6, libc.so.6",
            "preloaded: no, since --no-preload says so"});
}

TEST_CASE("a broken file is looked at without harm") {
  const Folder folder;
  const std::string path = folder.compile("program");
  const std::string bytes = contents_of(path);
  constexpr long header_bytes = 64;
  const auto size_bytes = static_cast<long>(bytes.size());
  {
    std::fstream file{path, std::ios::binary | std::ios::in | std::ios::out};
    const auto look = [&] {
      file.flush();
      return inspect(path, options_for(path)).obstacle.has_value();
    };
    const auto put = [&](long at, int change) {
      file.seekp(at).put(static_cast<char>(bytes[static_cast<std::size_t>(at)] ^ change));
    };
    // Each byte of the headers once wrong, and of the sections' headers at the end.
    for (long at = 0; at < size_bytes; ++at) {
      if (at > header_bytes + 13 * 56 && at < size_bytes - 30 * 64) continue;
      put(at, 0xff);
      const bool refused = look();
      if (at < 6) CHECK(refused);
      put(at, 0);
    }
    CHECK(!look());
  }
  for (long size = size_bytes; size >= 0; size -= 61) {
    std::filesystem::resize_file(path, static_cast<std::size_t>(size));
    const bool refused = inspect(path, options_for(path)).obstacle.has_value();
    if (size < header_bytes) CHECK(refused);
  }
}

TEST_CASE("a program is linked with libgallocy by its library, too") {
  const Folder folder;
  const std::string path = compile_linked_by_a_library(folder, "program");
  Options options = options_for(path);
  const Inspection inspection = inspect(path, options);
  CHECK(!inspection.elf.needs_libgallocy());
  CHECK(inspection.linked_with_libgallocy);
  CHECK(!inspection.obstacle);
  const auto program = choose(inspection, options);
  REQUIRE(program);
  CHECK(program->linked_with_libgallocy);
  CHECK(!program->is_preloaded());
  CHECK(has(explain(inspection, options, program).back(),
            "no, since a library of its is linked with libgallocy"));
  options.preload = true;
  const auto preloaded = choose(inspection, options);
  REQUIRE(!preloaded);
  CHECK(preloaded.error().status == 64);
}
