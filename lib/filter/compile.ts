import { compileEqual } from './compile-equal.ts'
import { compileOrder } from './compile-order.ts'
import type { Evaluate } from './evaluate.ts'
import { isCondition, Truth, type Condition, type Operand } from './expression.ts'
import { beginsAt, equalsAt, TextSearch } from './text-search.ts'

const encoder = new TextEncoder()
/** Longer lists are looked up by hash. */
const SHORT_LIST = 8

/** What the condition says of the properties that `values` found. */
export function compile (condition: Condition): Evaluate {
  switch (condition.kind) {
    case 'literal': return constant(condition.value === null ? Truth.unknown : condition.value ? Truth.true : Truth.false)
    case 'cast': return (values) => values.from[condition.slot]! < 0 ? Truth.unknown : Truth.false
    case 'not': return not(compile(condition.of))
    case 'and': return all(condition.of.map(compile), Truth.false, Truth.true)
    case 'or': return all(condition.of.map(compile), Truth.true, Truth.false)
    case 'equal': return compileEqual(condition.left, condition.right, compile)
    case 'order': return compileOrder(condition.order, condition.left, condition.right)
    case 'in': return isIn(condition.slot, condition.values, condition.isNegated)
    case 'contains': case 'startsWith': case 'endsWith': return textTest(condition)
  }
}

function constant (truth: Truth): Evaluate { return () => truth }

function not (of: Evaluate): Evaluate {
  return (values) => {
    const truth = of(values)
    return truth === Truth.true ? Truth.false : truth === Truth.false ? Truth.true : truth
  }
}

/** AND, OR: the first that is `decisive` decides, as does one that cannot be compared. */
function all (terms: readonly Evaluate[], decisive: Truth, otherwise: Truth): Evaluate {
  return (values) => {
    let result = otherwise
    for (const term of terms) {
      const truth = term(values)
      if (truth === decisive || truth === Truth.failed) return truth
      if (truth === Truth.unknown) result = Truth.unknown
    }
    return result
  }
}

function isIn (slot: number, list: readonly string[], isNegated: boolean): Evaluate {
  const found = isNegated ? Truth.false : Truth.true
  const missing = isNegated ? Truth.true : Truth.false
  const texts = [...new Set(list)].map((text) => encoder.encode(text))
  const contains = texts.length <= SHORT_LIST ? linearLookup(texts) : hashLookup(texts)
  return ({ bytes, from, to }) => {
    const at = from[slot]!
    if (at < 0) return Truth.unknown
    return contains(bytes, at, to[slot]!) ? found : missing
  }
}

type Lookup = (bytes: Uint8Array, from: number, to: number) => boolean

function linearLookup (texts: readonly Uint8Array[]): Lookup {
  return (bytes, from, to) => {
    for (const text of texts) if (equalsAt(bytes, from, to, text)) return true
    return false
  }
}

/** Lists with many texts of one hash are slow to read, but bounded by the length of an expression. */
function hashLookup (texts: readonly Uint8Array[]): Lookup {
  const byHash = new Map<number, Uint8Array[]>()
  let longest = 0
  for (const text of texts) {
    const hash = hashOf(text, 0, text.length)
    const same = byHash.get(hash)
    if (same === undefined) byHash.set(hash, [text])
    else same.push(text)
    longest = Math.max(longest, text.length)
  }
  return (bytes, from, to) => to - from <= longest && byHash.get(hashOf(bytes, from, to))?.some((text) => equalsAt(bytes, from, to, text)) === true
}

function hashOf (bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193)
  return hash
}

/** An empty text is in none, and what is missing neither has a text nor lacks it. @see RocketMQ ComparisonExpression.ContainsExpression */
function textTest ({ kind, of, text, isNegated }: Condition & { readonly kind: 'contains' | 'startsWith' | 'endsWith' }): Evaluate {
  const found = isNegated ? Truth.false : Truth.true
  const missing = isNegated ? Truth.true : Truth.false
  const test = testOf(kind, encoder.encode(text))
  if (text !== '' && of.kind === 'property') {
    const { slot } = of
    return ({ bytes, from, to }) => {
      const at = from[slot]!
      if (at < 0) return Truth.false
      return test(bytes, at, to[slot]!) ? found : missing
    }
  }
  if (text !== '' && of.kind === 'string') {
    const bytes = encoder.encode(of.value)
    return constant(test(bytes, 0, bytes.length) ? found : missing)
  }
  return onlyFailing(of)
}

/** False, unless what it is said of cannot be evaluated. */
function onlyFailing (of: Operand): Evaluate {
  if (!isCondition(of)) return constant(Truth.false)
  const evaluate = compile(of)
  return (values) => evaluate(values) === Truth.failed ? Truth.failed : Truth.false
}

function testOf (kind: 'contains' | 'startsWith' | 'endsWith', text: Uint8Array): Lookup {
  if (kind === 'startsWith') return (bytes, from, to) => beginsAt(bytes, from, to, text)
  if (kind === 'endsWith') return (bytes, from, to) => to - from >= text.length && equalsAt(bytes, to - text.length, to, text)
  const search = new TextSearch(text)
  return (bytes, from, to) => search.isIn(bytes, from, to)
}
