"""Every function of the public header is called by a test or an example, bad arguments included.

usage: api_coverage.py SOURCE_ROOT

What the functions and their parameters are called is read from gallocy.h. That a row below is right
is for the program that it is in to find out, which runs with the system tests:
 - a bad value of each parameter: BAD(parameter, ...gallocy_call(...)...) in bad_arguments.c, and
   CALL(parameter, gallocy_call(... at ...), ...) in bad_objects.c, which puts `at` at bad places;
 - calls that end the process by a bad block: kinds of heap_calls.c that `bad frees` runs;
 - each call where it cannot be, before gallocy_init() for one: REFUSES(...gallocy_call(...)...) in
   bad_states.c.
What has no bad value stands here, with the reason."""
import os
import re
import sys

ANY_VALUE = "handed on and never looked at"
MAY_BE_NULL = "may be NULL, and what else is wrong with it shows when it is used"
NO_BAD_VALUE = {
    ("gallocy_pthread_create", "argument"): ANY_VALUE,
    ("gallocy_pthread_create_on", "argument"): ANY_VALUE,
    ("gallocy_pthread_exit", "result"): ANY_VALUE,
    ("gallocy_pthread_setspecific", "value"): ANY_VALUE,
    ("gallocy_pthread_join", "result"): MAY_BE_NULL,
    ("gallocy_pthread_key_create", "destructor"): MAY_BE_NULL,
    ("gallocy_pthread_equal", "first"): "compares numbers",
    ("gallocy_pthread_equal", "second"): "compares numbers",
    ("gallocy_pthread_getspecific", "key"): "NULL is no error; bad_arguments.c looks at it",
}

# (function, parameter): the kind of heap_calls.c
ENDS_THE_PROCESS = {
    ("gallocy_free", "block"): "twice",
    ("gallocy_realloc", "block"): "resized",
    ("gallocy_reallocarray", "block"): "resized_array",
    ("gallocy_malloc_usable_size", "block"): "measured",
}

NO_ERROR = "has no way to say an error; bad_states.c looks at what it says instead"
NO_BAD_STATE = {
    "gallocy_rank": NO_ERROR,
    "gallocy_size": NO_ERROR,
    "gallocy_node": NO_ERROR,
    "gallocy_node_count": NO_ERROR,
    "gallocy_free": NO_ERROR,
    "gallocy_malloc_usable_size": NO_ERROR,
    "gallocy_pthread_getspecific": NO_ERROR,
    "gallocy_pthread_self": "0 everywhere but in a thread of the job",
    "gallocy_pthread_equal": "compares numbers",
    "gallocy_pthread_exit": "ends every thread",
    "gallocy_last_error": "for the errors of the others",
}

SOURCES = (".c", ".cpp", ".h", ".hpp")
NOT_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
BEFORE_A_CALL = ("return", "else", "do", "co_return", "throw")


def code_of(text):
    """Without comments, and nothing in strings."""
    def replaced(match):
        return '""' if match[0][0] in "\"'" else " "
    return NOT_CODE.sub(replaced, text).replace("\\\n", " ")


def arguments_at(code, begin):
    """Of the parenthesis that opens before `begin`, and where it ends."""
    depth, arguments, start = 1, [], begin
    for at in range(begin, len(code)):
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(code[at], 0)
        if depth == 0 or (depth == 1 and code[at] == ","):
            arguments.append(code[start:at].strip())
            start = at + 1
        if depth == 0:
            return ([] if arguments == [""] else arguments), at + 1
    sys.exit("a parenthesis does not end: " + code[begin:begin + 60])


def calls(code, name=r"gallocy_\w+"):
    """(name, arguments) of the calls. A declaration or definition is none."""
    for match in re.finditer(r"\b(" + name + r")\s*\(", code):
        before = code[:match.start()].rstrip()
        word = re.search(r"\w+$", before)
        arguments, end = arguments_at(code, match.end())
        is_call = word is None or word[0] in BEFORE_A_CALL
        if is_call and not code[end:].lstrip().startswith("{"):
            yield match[1], arguments


assert [call for call, _ in calls(code_of(
    '// gallocy_a()\n/* gallocy_b() */ "gallocy_c()" void gallocy_d(int); int* gallocy_e(void) {}'
    ' f = gallocy_f; return gallocy_g(h(1, "),"), gallocy_i ());'))] == ["gallocy_g", "gallocy_i"]


def read(*path):
    with open(os.path.join(*path)) as file:
        return code_of(file.read())


def declared(root):
    """Function: names of its parameters."""
    functions = {}
    code = read(root, "include", "gallocy", "gallocy.h")
    for match in re.finditer(r"^GALLOCY_API [^;(]*?\b(gallocy_\w+)\(", code, re.MULTILINE):
        parameters, _ = arguments_at(code, match.end())
        functions[match[1]] = [re.search(r"\(\*(\w+)\)|(\w+)$", parameter)
                               for parameter in parameters if parameter != "void"]
        functions[match[1]] = [name[1] or name[2] for name in functions[match[1]]]
    return functions


def called(root):
    names = set()
    for top in (os.path.join("tests", "system"), "examples"):
        for folder, _, files in os.walk(os.path.join(root, top)):
            for name in files:
                if name.endswith(SOURCES):
                    names |= {call for call, _ in calls(read(folder, name))}
    return names


def rows(code, macro):
    """(what stands first, call, its arguments) of each row of a table."""
    for _, arguments in calls(code, macro):
        for call, given in calls(", ".join(arguments)):
            yield arguments[0], call, given
            break


def suite(root):
    with open(os.path.join(root, "tests", "system", "cluster", "meson.build")) as file:
        return file.read()


def bad_values(root, functions):
    """(function, parameter) of which a bad value is tried."""
    programs = os.path.join(root, "tests", "system", "programs")
    found = set()
    for parameter, call, given in rows(read(programs, "bad_arguments.c"), "BAD"):
        if parameter not in functions[call]:
            sys.exit(f"bad_arguments.c: {call} has no parameter `{parameter}`")
        found.add((call, parameter))
    for parameter, call, given in rows(read(programs, "bad_objects.c"), "CALL"):
        if parameter not in functions[call] or given[functions[call].index(parameter)] != "at":
            sys.exit(f"bad_objects.c: {call} does not have `at` as its `{parameter}`")
        found.add((call, parameter))
    with open(os.path.join(programs, "heap_calls.c")) as file:
        heap_calls = file.read()
    frees = suite(root).partition("test('bad frees'")[2].partition("suite:")[0]
    for (call, parameter), kind in ENDS_THE_PROCESS.items():
        if f'strcmp(kind, "{kind}") == 0) {call}(' in heap_calls and f"'{kind}'" in frees:
            found.add((call, parameter))
    return found


def bad_states(root):
    code = read(root, "tests", "system", "programs", "bad_states.c")
    return {call for call, _ in calls(", ".join(
        argument for _, arguments in calls(code, "REFUSES") for argument in arguments))}


def complain(what, wanted, found, excused):
    """The reasons are held to it, too: none for what is not wanted, or is there."""
    missing = sorted(map(str, wanted - found - set(excused)))
    if missing:
        sys.exit(f"{what}: {', '.join(missing)}")
    idle = sorted(map(str, set(excused) & found | set(excused) - wanted))
    if idle:
        sys.exit(f"{what}, but reasons are given why there is none: {', '.join(idle)}")


def main():
    root = sys.argv[1]
    functions = declared(root)
    if len(functions) < 50 or functions.get("gallocy_calloc") != ["count", "size_bytes"]:
        sys.exit(f"only {len(functions)} functions were found in gallocy.h: this test is broken")
    for program in ("bad_arguments", "bad_objects", "bad_states"):
        if f"'{program}': [[" not in suite(root):
            sys.exit(f"{program} does not run with the system tests")
    names = set(functions)
    parameters = {(name, parameter) for name in names for parameter in functions[name]}
    complain("no test calls", names, called(root) & names, {})
    complain("no test has a bad value of", parameters, bad_values(root, functions), NO_BAD_VALUE)
    complain("no test has a bad state for", names, bad_states(root), NO_BAD_STATE)
    print(f"{len(names)} functions of gallocy.h are called by tests, and {len(parameters)} "
          f"parameters have bad values but for {len(NO_BAD_VALUE)}")


main()
