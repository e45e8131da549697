/** An expression as a tree, to be written down and to be evaluated by the book. */
export type Tree =
  | { readonly kind: 'property', readonly name: string }
  | { readonly kind: 'string', readonly value: string }
  | { readonly kind: 'long', readonly digits: string }
  | { readonly kind: 'double', readonly text: string }
  | { readonly kind: 'literal', readonly value: boolean | null }
  | { readonly kind: '-' | 'NOT', readonly of: Tree }
  | { readonly kind: 'AND' | 'OR', readonly left: Tree, readonly right: Tree }
  | { readonly kind: '=' | '<>' | '<' | '<=' | '>' | '>=', readonly left: Tree, readonly right: Tree }
  | { readonly kind: 'IS NULL' | 'IS NOT NULL', readonly of: Tree }
  | { readonly kind: 'BETWEEN' | 'NOT BETWEEN', readonly of: Tree, readonly low: Tree, readonly high: Tree }
  | { readonly kind: 'IN' | 'NOT IN', readonly name: string, readonly values: readonly string[] }
  | { readonly kind: 'CONTAINS' | 'STARTSWITH' | 'ENDSWITH', readonly isNegated: boolean, readonly of: Tree, readonly text: string }

/** The tree as text; `space` gives what stands between two tokens. */
export function textOf (tree: Tree, space: () => string): string {
  const inner = (of: Tree): string => `(${space()}${textOf(of, space)}${space()})`
  const quoted = (text: string): string => `'${text.replaceAll('\'', '\'\'')}'`
  const join = (...parts: string[]): string => parts.reduce((all, part) => `${all}${space()}${part}`)
  switch (tree.kind) {
    case 'property': return tree.name
    case 'string': return quoted(tree.value)
    case 'long': return tree.digits
    case 'double': return tree.text
    case 'literal': return tree.value === null ? 'NULL' : String(tree.value)
    case '-': case 'NOT': return join(tree.kind, inner(tree.of))
    case 'IS NULL': case 'IS NOT NULL': return join(inner(tree.of), ...tree.kind.split(' '))
    case 'BETWEEN': case 'NOT BETWEEN': return join(operand(tree.of), ...tree.kind.split(' '), operand(tree.low), 'AND', operand(tree.high))
    case 'IN': case 'NOT IN': return join(tree.name, ...tree.kind.split(' '), '(', tree.values.map(quoted).join(`${space()},`), ')')
    case 'CONTAINS': case 'STARTSWITH': case 'ENDSWITH': return join(inner(tree.of), ...tree.isNegated ? ['NOT'] : [], tree.kind, quoted(tree.text))
    default: return join(operand(tree.left), tree.kind, operand(tree.right))
  }
  /** Literals need no parentheses; in them they are literals still. */
  function operand (of: Tree): string { return 'digits' in of || of.kind === 'property' ? textOf(of, space) : inner(of) }
}

type Value = string | bigint | number | boolean | null

class Failure extends Error {}

/** What SQL92 says of the properties: true, false or null; 'failed' for what cannot be compared. In Java's words: dynamically typed, with exceptions. */
export function naiveTruth (tree: Tree, properties: ReadonlyMap<string, string>): boolean | null | 'failed' {
  try {
    return truth(tree, properties)
  } catch (error) {
    if (error instanceof Failure) return 'failed'
    throw error
  }
}

function truth (tree: Tree, properties: ReadonlyMap<string, string>): boolean | null {
  const value = valueOf(tree, properties)
  return tree.kind === 'property' ? value === null ? null : false : value as boolean | null
}

function valueOf (tree: Tree, properties: ReadonlyMap<string, string>): Value {
  const value = (of: Tree): Value => valueOf(of, properties)
  switch (tree.kind) {
    case 'property': return properties.get(tree.name) ?? null
    case 'string': return tree.value
    case 'long': return BigInt(tree.digits)
    case 'double': return Number(tree.text)
    case 'literal': return tree.value
    case '-': {
      const of = value(tree.of)
      return typeof of === 'bigint' || typeof of === 'number' ? -of : null
    }
    case 'NOT': return not(truth(tree.of, properties))
    case 'AND': {
      const left = truth(tree.left, properties)
      if (left === false) return false
      const right = truth(tree.right, properties)
      return right === false ? false : left === null || right === null ? null : true
    }
    case 'OR': {
      const left = truth(tree.left, properties)
      if (left === true) return true
      const right = truth(tree.right, properties)
      return right === true ? true : left === null || right === null ? null : false
    }
    case '=': return equal(value(tree.left), value(tree.right))
    case '<>': return not(equal(value(tree.left), value(tree.right)))
    case 'IS NULL': return equal(value(tree.of), null)
    case 'IS NOT NULL': return not(equal(value(tree.of), null))
    case '<': return order(value(tree.left), value(tree.right), (answer) => answer < 0)
    case '<=': return order(value(tree.left), value(tree.right), (answer) => answer <= 0)
    case '>': return order(value(tree.left), value(tree.right), (answer) => answer > 0)
    case '>=': return order(value(tree.left), value(tree.right), (answer) => answer >= 0)
    case 'BETWEEN': return valueOf({ kind: 'AND', left: { kind: '>=', left: tree.of, right: tree.low }, right: { kind: '<=', left: tree.of, right: tree.high } }, properties)
    case 'NOT BETWEEN': return valueOf({ kind: 'OR', left: { kind: '<', left: tree.of, right: tree.low }, right: { kind: '>', left: tree.of, right: tree.high } }, properties)
    case 'IN': case 'NOT IN': {
      const of = properties.get(tree.name)
      return of === undefined ? null : tree.values.includes(of) === (tree.kind === 'IN')
    }
    default: {
      const of = value(tree.of)
      if (tree.text === '' || typeof of !== 'string') return false
      const found = tree.kind === 'CONTAINS' ? of.includes(tree.text) : tree.kind === 'STARTSWITH' ? of.startsWith(tree.text) : of.endsWith(tree.text)
      return found !== tree.isNegated
    }
  }
}

function not (value: boolean | null): boolean | null { return value === null ? null : !value }

function equal (left: Value, right: Value): boolean | null {
  if (left === null) return right === null ? true : null
  if (right === null) return false
  return compare(left, right) === 0
}

function order (left: Value, right: Value, holds: (answer: number) => boolean): boolean | null {
  if (left === null || right === null) return null
  return holds(typeof left === 'string' && typeof right === 'string' ? compare(double(left), double(right)) : compare(left, right))
}

function compare (left: string | bigint | number | boolean, right: string | bigint | number | boolean): number {
  if (typeof left === 'boolean' && typeof right === 'string') throw new Failure()
  if (typeof left === 'string' && typeof right === 'boolean') return compare(left.toLowerCase() === 'true', right)
  if (typeof left === 'boolean' || typeof right === 'boolean') return left === right ? 0 : -1
  if (typeof left === 'string') {
    if (typeof right === 'string') return left < right ? -1 : left > right ? 1 : 0
    return compare(typeof right === 'bigint' ? long(left) : double(left), right)
  }
  if (typeof right === 'string') return compare(left, typeof left === 'bigint' ? long(right) : double(right))
  if (typeof left === 'bigint' && typeof right === 'bigint') return left < right ? -1 : left > right ? 1 : 0
  return compareDoubles(Number(left), Number(right))
}

function compareDoubles (a: number, b: number): number {
  const rank = (value: number): [number, number] => Number.isNaN(value) ? [1, 0] : [0, value]
  const [x, y] = [rank(a), rank(b)]
  if (x[0] !== y[0]) return x[0] - y[0]
  if (x[1] !== y[1]) return x[1] < y[1] ? -1 : 1
  return Object.is(a, b) || Number.isNaN(a) ? 0 : Object.is(a, -0) ? -1 : 1
}

function long (text: string): bigint {
  if (!/^[+-]?[0-9]{1,40}$/.test(text)) throw new Failure()
  const value = BigInt(text.replace(/^\+/, ''))
  if (BigInt.asIntN(64, value) !== value) throw new Failure()
  return value
}

function double (text: string): number {
  // eslint-disable-next-line no-control-regex
  const trimmed = text.replace(/^[\u0000-\u0020]+/, '').replace(/[\u0000-\u0020]+$/, '')
  const named = /^([+-]?)(NaN|Infinity)$/.exec(trimmed)
  if (named !== null) return named[1] === '-' ? -Number(named[2]) : Number(named[2])
  if (!/^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[fFdD]?$/.test(trimmed)) throw new Failure()
  return Number(trimmed.replace(/[fFdD]$/, ''))
}
