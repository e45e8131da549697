import type { Evaluate } from './evaluate.ts'
import { Truth, type Operand, type Order } from './expression.ts'
import { compareDoubles, parseDouble, parseLong } from './java-numbers.ts'

export type NumberOperand = Operand & { readonly kind: 'long' | 'double' }

/** Less, greater: numbers, and properties as numbers of the kind that they are compared with; two properties as doubles. */
export function compileOrder (order: Order, left: Operand, right: Operand): Evaluate {
  if (left.kind === 'property') {
    if (right.kind === 'property') return betweenProperties(order, left.slot, right.slot)
    if (isNumber(right)) return withNumber(order, left.slot, right)
  } else if (right.kind === 'property') {
    if (isNumber(left)) return withNumber(turned[order], right.slot, left)
  } else if (isNumber(left) && isNumber(right)) {
    const truth = truthOf(order, compareNumbers(left, right))
    return () => truth
  }
  return () => Truth.unknown
}

/** What holds of `a` and `b` holds so of `b` and `a`. */
const turned: Readonly<Record<Order, Order>> = { '<': '>', '<=': '>=', '>': '<', '>=': '<=' }

export function isNumber (operand: Operand): operand is NumberOperand { return operand.kind === 'long' || operand.kind === 'double' }

function truthOf (order: Order, answer: number): Truth {
  switch (order) {
    case '<': return answer < 0 ? Truth.true : Truth.false
    case '<=': return answer <= 0 ? Truth.true : Truth.false
    case '>': return answer > 0 ? Truth.true : Truth.false
    case '>=': return answer >= 0 ? Truth.true : Truth.false
  }
}

export function compareNumbers (left: NumberOperand, right: NumberOperand): number {
  return left.kind === 'long' && right.kind === 'long' ? compareLongs(left.value, right.value) : compareDoubles(Number(left.value), Number(right.value))
}

export function compareLongs (a: number | bigint, b: number | bigint): number { return a < b ? -1 : a > b ? 1 : 0 }

/** As a number where that loses nothing: quicker to compare. */
export function plain (value: bigint): number | bigint {
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value
}

function withNumber (order: Order, slot: number, operand: NumberOperand): Evaluate {
  if (operand.kind === 'double') {
    const { value } = operand
    return ({ bytes, from, to }) => {
      const at = from[slot]!
      if (at < 0) return Truth.unknown
      const number = parseDouble(bytes, at, to[slot]!)
      return number === undefined ? Truth.failed : truthOf(order, compareDoubles(number, value))
    }
  }
  const value = plain(operand.value)
  return ({ bytes, from, to }) => {
    const at = from[slot]!
    if (at < 0) return Truth.unknown
    const number = parseLong(bytes, at, to[slot]!)
    return number === undefined ? Truth.failed : truthOf(order, compareLongs(number, value))
  }
}

function betweenProperties (order: Order, left: number, right: number): Evaluate {
  return ({ bytes, from, to }) => {
    if (from[left]! < 0 || from[right]! < 0) return Truth.unknown
    const a = parseDouble(bytes, from[left]!, to[left]!)
    const b = parseDouble(bytes, from[right]!, to[right]!)
    return a === undefined || b === undefined ? Truth.failed : truthOf(order, compareDoubles(a, b))
  }
}
