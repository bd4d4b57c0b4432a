"""Mutants as Swift that asks at run time which of them is switched on (SLUICE_MUTANT), so that one build holds hundreds.

A changed operator becomes an operator of its own with the precedence of the original, so that neither the reading of the expression nor
its types change. Its function is declared in a file that is added to the module. For scripts/mutate.
"""
import collections
import re

# Swift takes these for characters of operators.
DIGITS = "∀∁∂∃∄∅∆∇∈∉"

PRECEDENCE = {
    "<": "Comparison", "<=": "Comparison", ">": "Comparison", ">=": "Comparison", "==": "Comparison", "!=": "Comparison",
    "&&": "LogicalConjunction", "||": "LogicalDisjunction", "+": "Addition", "-": "Addition", "&+": "Addition", "&-": "Addition",
    "|": "Addition", "*": "Multiplication", "/": "Multiplication", "&": "Multiplication", "<<": "BitwiseShift", ">>": "BitwiseShift",
    "..<": "RangeFormation", "+=": "Assignment", "-=": "Assignment", "&+=": "Assignment", "&-=": "Assignment",
}


class Signature(collections.namedtuple("Signature", "generics a b result rare", defaults=[False])):
    """One function `a OP b` that may stand for an operator. A rare one is taken only where no other fits."""


ORDER = [
    Signature("<T: Comparable>", "T", "T", "Bool"),
    Signature("<T: BinaryInteger, U: BinaryInteger>", "T", "U", "Bool", rare=True),
]
EQUALITY = [
    Signature("<T: Equatable>", "T", "T", "Bool"),
    Signature("<T: BinaryInteger, U: BinaryInteger>", "T", "U", "Bool", rare=True),
    Signature("<T>", "T?", "_OptionalNilComparisonType", "Bool", rare=True),
]
SUM = [Signature("<T: AdditiveArithmetic>", "T", "T", "T"), Signature("<T: _Pointer>", "T", "Int", "T where T.Stride == Int")]
WRAPPING_SUM = [Signature("<T: FixedWidthInteger>", "T", "T", "T")]
PRODUCT = [Signature("<T: BinaryInteger>", "T", "T", "T"), Signature("<T: FloatingPoint>", "T", "T", "T")]
ADDING = [
    Signature("<T: AdditiveArithmetic>", "inout T", "T", "Void"),
    Signature("<T: _Pointer>", "inout T", "Int", "Void where T.Stride == Int"),
]
WRAPPING_ADDING = [Signature("<T: FixedWidthInteger>", "inout T", "T", "Void")]
BITS = [Signature("<T: BinaryInteger>", "T", "T", "T")]
SHIFT = [Signature("<T: BinaryInteger, U: BinaryInteger>", "T", "U", "T")]
RANGE = [Signature("<T: Strideable>", "T", "T", "Range<T>")]
SIGNATURES = {
    "<": ORDER, "<=": ORDER, ">": ORDER, ">=": ORDER, "==": EQUALITY, "!=": EQUALITY, "+": SUM, "-": SUM, "&+": WRAPPING_SUM, "&-": WRAPPING_SUM,
    "|": BITS, "&": BITS, "<<": SHIFT, ">>": SHIFT, "*": PRODUCT, "/": PRODUCT, "+=": ADDING, "-=": ADDING, "&+=": WRAPPING_ADDING,
    "&-=": WRAPPING_ADDING, "..<": RANGE,
}

# Added to every module with a mutant. What is @inlinable may call it.
SUPPORT = """import Glibc

/// Which mutant is switched on: none is 0.
@usableFromInline let sluiceMutant: Int = getenv("SLUICE_MUTANT").map { atol($0) } ?? 0

@usableFromInline func mutantFlag(_ number: Int, _ original: Bool) -> Bool { (sluiceMutant == number) != original }
@usableFromInline func mutantNumber<T: ExpressibleByIntegerLiteral>(_ original: T, _ number: Int, _ changed: T) -> T {
    sluiceMutant == number ? changed : original
}
@usableFromInline func mutantNumber<T: ExpressibleByIntegerLiteral>(_ original: T, _ one: Int, _ first: T, _ two: Int, _ second: T) -> T {
    sluiceMutant == one ? first : sluiceMutant == two ? second : original
}
"""


def can_ask(mutant, code):
    """Whether it may be a question: patterns hold none. Of a `case`, what follows the colon, `where` or `=`."""
    pattern = re.match(r"\s*(?:(?:\} else )?(?:if|guard|while) |for )?case .*?(?::(?= |$)| where| =|$)", code)
    return not pattern or mutant.start >= pattern.end()


def texts(chosen, read):
    """What the changed files and one further file per module hold, by path. `chosen`: the mutants by number; `read`: the text of a path."""
    places = collections.defaultdict(list)
    for number, mutant in chosen.items():
        places[mutant.path, mutant.number, mutant.start, mutant.end].append((number, mutant))
    edits = collections.defaultdict(list)
    declared = collections.defaultdict(list)
    for count, ((path, line, _, _), choices) in enumerate(sorted(places.items()), 1):
        module = path.split("/")[1]
        declared[module] += []
        edits[path, line] += edits_of(count, module, choices, declared[module])
    files = {}
    for (path, line), changes in edits.items():
        lines = files.setdefault(path, read(path).split("\n"))
        text = lines[line - 1]
        # From the right, so that places stay right; what is put before something goes after what replaces it.
        for start, end, new in sorted(changes, key=lambda change: change[:2], reverse=True):
            text = text[:start] + new + text[end:]
        lines[line - 1] = text
    result = {path: "\n".join(lines) for path, lines in files.items()}
    for module, code in declared.items():
        result[f"Sources/{module}/Mutants.swift"] = SUPPORT + "".join(code)
    return result


def edits_of(count, module, choices, declared):
    """The edits (start, end, new text) of one place of a line; code that they need is added to `declared`."""
    number, mutant = choices[0]
    start, end, line = mutant.start, mutant.end, mutant.old
    if mutant.kind == "condition":
        return [(start, start, f"mutantFlag({number}, "), (end, end, ")")]
    if mutant.kind == "call removed":
        begin = len(line) - len(line.lstrip())
        return [(begin, begin, f"if sluiceMutant != {number} {{ "), (end, end, " }")]
    if mutant.kind == "boolean":
        return [(start, end, f"mutantFlag({number}, {line[start:end]})")]
    if mutant.kind == "constant":
        others = ", ".join(f"{number}, {mutant.replacement}" for number, mutant in choices)
        return [(start, end, f"mutantNumber({line[start:end]}, {others})")]

    token = line[start:end].strip()
    name = "⊕" + "".join(DIGITS[int(digit)] for digit in str(count))
    if token == "!":
        declared.append(f"prefix operator {name}\n@usableFromInline prefix func {name} (a: Bool) -> Bool {{ mutantFlag({number}, !a) }}\n")
    elif token == "..<" and line[start - 1] in " [(":
        declared.append(
            f"prefix operator {name}\n@usableFromInline prefix func {name} <T: Strideable>(a: T) -> PartialRangeUpTo<T> {{\n"
            f"    sluiceMutant == {number} ? ..<a.advanced(by: 1) : ..<a\n}}\n")
    else:
        declared.append(infix(name, token, module, [(number, mutant.replacement.strip()) for number, mutant in choices]))
    return [(start, end, line[start:end].replace(token, name))]


def infix(name, token, module, choices):
    """The declaration of an operator that does what `token` does, or one of the choices (number, operator)."""
    code = f"infix operator {name}: {PRECEDENCE[token]}Precedence\n"
    if token in ("&&", "||"):
        number, other = choices[0]
        return code + (
            f"@usableFromInline func {name} (a: Bool, b: @autoclosure () throws -> Bool) rethrows -> Bool {{\n"
            f"    if sluiceMutant == {number} {{ return try a {other} b() }}\n    return try a {token} b()\n}}\n")
    signatures = list(SIGNATURES[token])
    if token == "==" and module == "SluiceHTTP":
        signatures.append(Signature("", "ByteView", "StaticString", "Bool", rare=True))
    for signature in signatures:
        code += "@_disfavoredOverload " if signature.rare else ""
        code += f"@usableFromInline func {name} {signature.generics}(a: {signature.a}, b: {signature.b}) -> {signature.result} {{\n"
        for number, other in choices:
            done = f"a {other} b"
            if other == "...":
                done = "a ..< b.advanced(by: 1)"
            elif signature.b == "StaticString":
                done = "!(a == b)"
            code += f"    if sluiceMutant == {number} {{ return {done} }}\n"
        code += f"    return a {token} b\n}}\n"
    return code
