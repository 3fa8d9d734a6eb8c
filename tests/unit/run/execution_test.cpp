#include "run/execution.hpp"

#include <doctest/doctest.h>

#include "folder.hpp"

using namespace gallocy::run;

namespace {

using Words = std::vector<std::string>;

// "INTERPRETER|ARGUMENT"
std::string parsed(std::string_view head) {
  const auto line = parse_hash_bang(head);
  return line ? line->interpreter + "|" + line->argument : "no script";
}

Execution followed(const std::string& path, const Words& arguments,
                   const std::string& search_path = "/usr/bin:/bin") {
  const auto execution = follow_interpreters(path, arguments, search_path);
  REQUIRE_MESSAGE(execution, (execution ? "" : execution.error().sentence));
  return *execution;
}

Refusal refused(const std::string& path) {
  const auto execution = follow_interpreters(path, {path}, "/usr/bin:/bin");
  REQUIRE(!execution);
  return execution.error();
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

}  // namespace

TEST_CASE("the first line is read as the kernel reads it") {
  CHECK(parsed("#!/bin/sh\necho") == "/bin/sh|");
  CHECK(parsed("#! \t/bin/sh \t-e  -x \t\nmore") == "/bin/sh|-e  -x");
  CHECK(parsed("#!/usr/bin/env python3") == "/usr/bin/env|python3");
  CHECK(parsed("#!relative\n") == "relative|");
  CHECK(parsed("#!/bin/sh\r\n") == "/bin/sh\r|");
  CHECK(parsed(std::string_view{"#!/bin/a\0b c\n", 13}) == "/bin/a|");
  for (const char* text : {"", "#", "#!", "#!\n/bin/sh", "#! \t \n", " #!/bin/sh\n", "echo\n"})
    CHECK(parsed(text) == "no script");
}

TEST_CASE("a first line may be long, the name of the interpreter may not") {
  const std::string name = "/" + std::string(200, 'x');
  CHECK(parsed("#!" + name + " " + std::string(300, 'y') + "\n") ==
        name + "|" + std::string(256 - 2 - 201 - 1, 'y'));
  CHECK(parsed("#!/" + std::string(300, 'x') + "\n") == "no script");
  CHECK(parsed("#!  /" + std::string(300, 'x')) == "no script");
}

TEST_CASE("a program is executed as it was named") {
  const Execution execution = followed("/bin/true", {"true", "-x"});
  CHECK(execution.files == Words{"/bin/true"});
  CHECK(execution.path == "/bin/true");
  CHECK(execution.arguments == Words{"true", "-x"});
}

TEST_CASE("a script is executed as it was named, and its interpreter known") {
  const Folder folder;
  const std::string inner = folder.write("inner", "#!/bin/true -a b\n");
  const std::string outer = folder.write("outer", "#!" + inner + "\n");
  const Execution execution = followed(outer, {"outer", "c"});
  CHECK(execution.files == Words{outer, inner, "/bin/true"});
  CHECK(execution.path == outer);
  CHECK(execution.arguments == Words{"outer", "c"});
}

TEST_CASE("a text without such a line is the shell's, bytes are not") {
  const Folder folder;
  const std::string text = folder.write("text", "echo\n");
  CHECK(followed(text, {"text"}).files == Words{text, "/bin/sh"});
  CHECK(followed(text, {"text"}).path == text);
  const std::string empty = folder.write("empty", "");
  CHECK(followed(empty, {"empty"}).files == Words{empty});
  const std::string bytes = folder.write("bytes", std::string("MZ\0\1", 4));
  CHECK(followed(bytes, {"bytes"}).files == Words{bytes});
}

TEST_CASE("env NAME is what env would execute") {
  const Folder folder;
  const std::string script = folder.write("script", "#!/usr/bin/env true\n");
  const Execution execution = followed(script, {"script", "-x", "y"}, folder.path + ":/bin");
  CHECK(execution.files == Words{script, "/usr/bin/env", "/bin/true"});
  CHECK(execution.path == "/bin/true");
  CHECK(execution.arguments == Words{"true", script, "-x", "y"});
}

TEST_CASE("env in the middle of a chain gets what was before it") {
  const Folder folder;
  const std::string inner = folder.write("inner", "#!/usr/bin/env true\n");
  const std::string outer = folder.write("outer", "#!" + inner + " -a b\n");
  const Execution execution = followed(outer, {"outer", "c"});
  CHECK(execution.files == Words{outer, inner, "/usr/bin/env", "/usr/bin/true"});
  CHECK(execution.arguments == Words{"true", inner, "-a b", outer, "c"});
}

TEST_CASE("what can't be followed is refused with the status that it would end with") {
  const Folder folder;
  const Refusal options = refused(folder.write("options", "#!/usr/bin/env -S true -x\n"));
  CHECK(options.status == 69);
  CHECK(has(options.sentence, "'-S true -x'"));
  const Refusal nothing = refused(folder.write("nothing", "#!/usr/bin/env no-such-program\n"));
  CHECK(nothing.status == 127);
  const Refusal missing = refused(folder.write("missing", "#!/no/such/interpreter\n"));
  CHECK(missing.status == 126);
  CHECK(has(missing.sentence, "missing: can't be executed: its interpreter /no/such/interpreter"));
  const Refusal endless = refused(folder.write("endless", "#!" + folder.path + "/endless\n"));
  CHECK(endless.status == 126);
}

TEST_CASE("as many interpreters are followed as the kernel does") {
  const Folder folder;
  std::string last = "/bin/true";
  for (int i = 1; i <= 5; ++i) last = folder.write(fmt::format("{}", i), "#!" + last + "\n");
  CHECK(followed(last, {"5"}).files.size() == 6);
  folder.command("./5");
  refused(folder.write("6", "#!" + last + "\n"));
  CHECK(::system(fmt::format("{}/6 2>/dev/null", folder.path).c_str()) != 0);
}
