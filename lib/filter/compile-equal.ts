import type { Evaluate } from './evaluate.ts'
import { compareLongs, compareNumbers, isNumber, plain, type NumberOperand } from './compile-order.ts'
import { isCondition, Truth, type Condition, type Operand } from './expression.ts'
import { compareDoubles, parseDouble, parseLong } from './java-numbers.ts'
import { equalsAt } from './text-search.ts'

type Compile = (condition: Condition) => Evaluate

const encoder = new TextEncoder()
const TRUE = encoder.encode('true')

/**
 * Equality. A property is read as what it is compared with; another property as a text. Nothing on the left equals nothing,
 * and is unknown beside something; something on the left does not equal nothing.
 * @see RocketMQ ComparisonExpression.doCreateEqual
 */
export function compileEqual (left: Operand, right: Operand, compile: Compile): Evaluate {
  if (isConditional(left)) return withCondition(compile(left), right, compile)
  if (isConditional(right)) return beforeCondition(left, compile(right))
  const isLeftThere = presenceOf(left)
  const isRightThere = presenceOf(right)
  const equals = comparisonOf(left, right)
  return (values) => {
    if (!isLeftThere(values)) return isRightThere(values) ? Truth.unknown : Truth.true
    return isRightThere(values) ? equals(values) : Truth.false
  }
}

/** Literals are conditions too, but known beforehand. */
function isConditional (operand: Operand): operand is Exclude<Condition, { readonly kind: 'literal' }> { return isCondition(operand) && operand.kind !== 'literal' }

function presenceOf (operand: Operand): (values: Parameters<Evaluate>[0]) => boolean {
  if (operand.kind === 'property') return ({ from }) => from[operand.slot]! >= 0
  const isThere = operand.kind !== 'nothing' && !(operand.kind === 'literal' && operand.value === null)
  return () => isThere
}

/** For when both are there. */
function comparisonOf (left: Operand, right: Operand): Evaluate {
  if (left.kind === 'property') return right.kind === 'property' ? sameTexts(left.slot, right.slot) : propertyWith(left.slot, right, false)
  if (right.kind === 'property') return propertyWith(right.slot, left, true)
  const truth = constantsEqual(left, right)
  return () => truth
}

function sameTexts (left: number, right: number): Evaluate {
  return ({ bytes, from, to }) => {
    const length = to[left]! - from[left]!
    if (length !== to[right]! - from[right]!) return Truth.false
    for (let i = 0; i < length; i++) if (bytes[from[left]! + i] !== bytes[from[right]! + i]) return Truth.false
    return Truth.true
  }
}

function propertyWith (slot: number, other: Operand, isOtherFirst: boolean): Evaluate {
  switch (other.kind) {
    case 'string': {
      const text = encoder.encode(other.value)
      return ({ bytes, from, to }) => equalsAt(bytes, from[slot]!, to[slot]!, text) ? Truth.true : Truth.false
    }
    case 'long': case 'double': {
      const isEqual = numberTest(other)
      return ({ bytes, from, to }) => isEqual(bytes, from[slot]!, to[slot]!)
    }
    default: {
      if (isOtherFirst) return () => Truth.failed
      const wanted = other.kind === 'literal' && other.value === true
      return ({ bytes, from, to }) => isTrue(bytes, from[slot]!, to[slot]!) === wanted ? Truth.true : Truth.false
    }
  }
}

/** Whether a text is a number that equals this one. */
function numberTest (operand: NumberOperand): (bytes: Uint8Array, from: number, to: number) => Truth {
  if (operand.kind === 'double') {
    const { value } = operand
    return (bytes, from, to) => {
      const number = parseDouble(bytes, from, to)
      return number === undefined ? Truth.failed : compareDoubles(number, value) === 0 ? Truth.true : Truth.false
    }
  }
  const value = plain(operand.value)
  return (bytes, from, to) => {
    const number = parseLong(bytes, from, to)
    return number === undefined ? Truth.failed : compareLongs(number, value) === 0 ? Truth.true : Truth.false
  }
}

/** `true` in any case; all else is false. */
function isTrue (bytes: Uint8Array, from: number, to: number): boolean {
  if (to - from !== TRUE.length) return false
  for (let i = 0; i < TRUE.length; i++) if ((bytes[from + i]! | 0x20) !== TRUE[i]) return false
  return true
}

/** Both are there, and neither is a property. */
function constantsEqual (left: Operand, right: Operand): Truth {
  if (isNumber(left) && isNumber(right)) return compareNumbers(left, right) === 0 ? Truth.true : Truth.false
  if (left.kind === 'literal') return right.kind === 'string' ? Truth.failed : right.kind === 'literal' && left.value === right.value ? Truth.true : Truth.false
  if (left.kind === 'string') return textEquals(left.value, right)
  return right.kind === 'string' ? textEquals(right.value, left) : Truth.false
}

function textEquals (text: string, other: Operand): Truth {
  if (other.kind === 'string') return text === other.value ? Truth.true : Truth.false
  const bytes = encoder.encode(text)
  if (isNumber(other)) return numberTest(other)(bytes, 0, bytes.length)
  return other.kind === 'literal' && isTrue(bytes, 0, bytes.length) === other.value ? Truth.true : Truth.false
}

/** A condition on the left. */
function withCondition (left: Evaluate, right: Operand, compile: Compile): Evaluate {
  if (isConditional(right)) {
    const other = compile(right)
    return (values) => {
      const a = left(values)
      const b = a === Truth.failed ? a : other(values)
      if (a === Truth.failed || b === Truth.failed) return Truth.failed
      if (a === b) return Truth.true
      return a === Truth.unknown ? Truth.unknown : Truth.false
    }
  }
  const isRightThere = presenceOf(right)
  return (values) => {
    const truth = left(values)
    if (truth === Truth.failed) return truth
    if (!isRightThere(values)) return truth === Truth.unknown ? Truth.true : Truth.false
    if (truth === Truth.unknown) return Truth.unknown
    if (right.kind === 'literal') return (truth === Truth.true) === right.value ? Truth.true : Truth.false
    return right.kind === 'property' || right.kind === 'string' ? Truth.failed : Truth.false
  }
}

/** A condition on the right of what is none. */
function beforeCondition (left: Operand, right: Evaluate): Evaluate {
  const isLeftThere = presenceOf(left)
  return (values) => {
    const truth = right(values)
    if (truth === Truth.failed) return truth
    if (!isLeftThere(values)) return truth === Truth.unknown ? Truth.true : Truth.unknown
    if (truth === Truth.unknown) return Truth.false
    switch (left.kind) {
      case 'property': return isTrue(values.bytes, values.from[left.slot]!, values.to[left.slot]!) === (truth === Truth.true) ? Truth.true : Truth.false
      case 'string': return textEquals(left.value, { kind: 'literal', value: truth === Truth.true })
      case 'literal': return left.value === (truth === Truth.true) ? Truth.true : Truth.false
      default: return Truth.false
    }
  }
}
