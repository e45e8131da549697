import { isCondition, type Condition, type Operand, type Order } from './expression.ts'
import { Lexer, type Token } from './lexer.ts'
import { FilterSyntaxError } from './syntax-error.ts'

export interface FilterLimits {
  readonly maxCharacters: number
  /** Of parentheses, signs and NOTs in each other, and of comparisons that are compared again. */
  readonly maxDepth: number
  /** Comparisons, lists, and properties by themselves. */
  readonly maxTerms: number
  /** CONTAINS: what looks at all of a value. */
  readonly maxSearches: number
}

export const filterLimits: FilterLimits = { maxCharacters: 16_384, maxDepth: 64, maxTerms: 256, maxSearches: 32 }

export interface ParsedExpression {
  readonly condition: Condition
  /** By slot. */
  readonly properties: readonly string[]
  readonly termCount: number
}

/**
 *     or     := and (OR and)*
 *     and    := equal (AND equal)*
 *     equal  := order (= order | <> order | IS NULL | IS NOT NULL)*
 *     order  := unary (> unary | >= unary | < unary | <= unary | [NOT] BETWEEN unary AND unary | [NOT] IN (text, ...)
 *                      | [NOT] CONTAINS text | [NOT] STARTSWITH text | [NOT] ENDSWITH text)*
 *     unary  := + unary | - unary | NOT unary | literal | property | (or)
 *
 * What follows a whole expression is ignored if it begins with a token, as RocketMQ does.
 * @throws FilterSyntaxError
 * @see RocketMQ SelectorParser.jj. Divergence: length, depth and terms are bounded
 */
export function parseExpression (text: string, limits: FilterLimits = filterLimits): ParsedExpression {
  if (text.length > limits.maxCharacters) throw new FilterSyntaxError(limits.maxCharacters + 1, `the expression has more than ${limits.maxCharacters} characters`)
  return new Parser(text, limits).parse()
}

/** An operand, where it begins, and how deep it is. */
interface Part { readonly operand: Operand, readonly at: number, readonly depth: number }

class Parser {
  readonly #lexer: Lexer
  readonly #limits: FilterLimits
  readonly #slots = new Map<string, number>()
  #position = 0
  #next: Token | undefined
  #nesting = 0
  #terms = 0
  #searches = 0

  constructor (text: string, limits: FilterLimits) {
    this.#lexer = new Lexer(text)
    this.#limits = limits
  }

  parse (): ParsedExpression {
    const condition = this.#condition(this.#or())
    this.#peek() // what follows is ignored, but it is something
    return { condition, properties: [...this.#slots.keys()], termCount: this.#terms }
  }

  #or (): Part { return this.#chain('OR', 'or', () => this.#and()) }
  #and (): Part { return this.#chain('AND', 'and', () => this.#equal()) }

  #chain (token: 'AND' | 'OR', kind: 'and' | 'or', next: () => Part): Part {
    const first = next()
    if (this.#peek().kind !== token) return first
    const of = [this.#condition(first)]
    let depth = first.depth
    while (this.#maybeTake(token)) {
      const part = next()
      of.push(this.#condition(part))
      depth = Math.max(depth, part.depth)
    }
    return this.#part({ kind, of }, first.at, depth + 1)
  }

  #equal (): Part {
    let left = this.#order()
    for (;;) {
      const token = this.#peek()
      if (token.kind === '=' || token.kind === '<>') {
        this.#take()
        left = this.#equality(left, this.#order(), token.kind === '<>')
      } else if (token.kind === 'IS') {
        this.#take()
        const isNegated = this.#maybeTake('NOT')
        this.#expect('NULL')
        left = this.#negatable({ kind: 'equal', left: left.operand, right: { kind: 'literal', value: null } }, isNegated, left.at, left.depth)
      } else {
        return left
      }
    }
  }

  #equality (left: Part, right: Part, isNegated: boolean): Part {
    for (const { operand, at } of [left, right]) if (isNull(operand)) throw new FilterSyntaxError(at + 1, 'NULL equals nothing: use IS NULL or IS NOT NULL')
    if (left.operand.kind === 'literal' && isLiteral(right.operand) && right.operand.kind !== 'literal') throw new FilterSyntaxError(right.at + 1, 'TRUE and FALSE are compared with a number or a text')
    return this.#negatable({ kind: 'equal', left: left.operand, right: right.operand }, isNegated, left.at, Math.max(left.depth, right.depth))
  }

  #negatable (condition: Condition, isNegated: boolean, at: number, depth: number): Part {
    const part = this.#term(condition, at, depth)
    return isNegated ? this.#part({ kind: 'not', of: condition }, at, part.depth + 1) : part
  }

  #order (): Part {
    let left = this.#unary()
    for (;;) {
      const token = this.#peek()
      switch (token.kind) {
        case '>': case '>=': case '<': case '<=': {
          this.#take()
          const right = this.#unary()
          left = this.#term(this.#ordered(token.kind, left, right), left.at, Math.max(left.depth, right.depth))
          break
        }
        case 'NOT':
          this.#take()
          left = this.#predicate(left, true)
          break
        case 'CONTAINS': case 'STARTSWITH': case 'ENDSWITH': case 'BETWEEN': case 'IN':
          left = this.#predicate(left, false)
          break
        default:
          return left
      }
    }
  }

  #predicate (left: Part, isNegated: boolean): Part {
    const token = this.#take()
    switch (token.kind) {
      case 'CONTAINS':
        if (++this.#searches > this.#limits.maxSearches) throw new FilterSyntaxError(token.at + 1, `the expression has more than ${this.#limits.maxSearches} CONTAINS`)
        return this.#term({ kind: 'contains', of: left.operand, text: this.#string(), isNegated }, left.at, left.depth)
      case 'STARTSWITH': return this.#term({ kind: 'startsWith', of: left.operand, text: this.#string(), isNegated }, left.at, left.depth)
      case 'ENDSWITH': return this.#term({ kind: 'endsWith', of: left.operand, text: this.#string(), isNegated }, left.at, left.depth)
      case 'BETWEEN': return this.#between(left, isNegated)
      case 'IN': return this.#in(left, isNegated)
      default: throw unexpected(token, 'BETWEEN, IN, CONTAINS, STARTSWITH or ENDSWITH')
    }
  }

  #between (left: Part, isNegated: boolean): Part {
    const low = this.#unary()
    this.#expect('AND')
    const high = this.#unary()
    const depth = Math.max(left.depth, low.depth, high.depth)
    const below = this.#ordered(isNegated ? '<' : '>=', left, low)
    const above = this.#ordered(isNegated ? '>' : '<=', left, high)
    if (isLiteral(low.operand) && isLiteral(high.operand) && numberOf(low.operand) > numberOf(high.operand)) throw new FilterSyntaxError(low.at + 1, 'the lower bound of BETWEEN is above the upper one')
    this.#terms++
    return this.#term({ kind: isNegated ? 'or' : 'and', of: [below, above] }, left.at, depth)
  }

  #in (left: Part, isNegated: boolean): Part {
    if (left.operand.kind !== 'property') throw new FilterSyntaxError(left.at + 1, 'only a property can be looked for in a list')
    this.#expect('(')
    const values = [this.#string()]
    while (this.#maybeTake(',')) values.push(this.#string())
    this.#expect(')')
    return this.#term({ kind: 'in', slot: left.operand.slot, values, isNegated }, left.at, left.depth)
  }

  /** Only numbers and properties have an order. */
  #ordered (order: Order, left: Part, right: Part): Condition {
    for (const { operand, at } of [left, right]) {
      if (isCondition(operand) || operand.kind === 'string') throw new FilterSyntaxError(at + 1, 'only numbers and properties can be less or greater')
    }
    return { kind: 'order', order, left: left.operand, right: right.operand }
  }

  #unary (): Part {
    const token = this.#take()
    switch (token.kind) {
      case '+': return this.#nested(token, () => this.#unary())
      case '-': return this.#nested(token, () => {
        const part = this.#unary()
        return { ...part, operand: negated(part.operand), at: token.at }
      })
      case 'NOT': return this.#nested(token, () => {
        const part = this.#unary()
        return this.#part({ kind: 'not', of: this.#condition(part) }, token.at, part.depth + 1)
      })
      case '(': return this.#nested(token, () => {
        const part = this.#or()
        this.#expect(')')
        return part
      })
      case 'name': return this.#part({ kind: 'property', slot: this.#slotOf(token.text) }, token.at, 1)
      case 'string': return this.#part({ kind: 'string', value: token.text }, token.at, 1)
      case 'integer': return this.#part({ kind: 'long', value: longOf(token.text, token.at), isLiteral: true }, token.at, 1)
      case 'float': return this.#part({ kind: 'double', value: doubleOf(token.text, token.at), isLiteral: true }, token.at, 1)
      case 'TRUE': return this.#part({ kind: 'literal', value: true }, token.at, 1)
      case 'FALSE': return this.#part({ kind: 'literal', value: false }, token.at, 1)
      case 'NULL': return this.#part({ kind: 'literal', value: null }, token.at, 1)
      default: throw unexpected(token, 'a property, a number or a text')
    }
  }

  #nested (token: Token, parse: () => Part): Part {
    if (++this.#nesting > this.#limits.maxDepth) throw this.#tooDeep(token.at)
    const part = parse()
    this.#nesting--
    return part
  }

  /** What is to be true or false. */
  #condition ({ operand, at }: Part): Condition {
    if (operand.kind === 'property') {
      this.#count(at)
      return { kind: 'cast', slot: operand.slot }
    }
    if (!isCondition(operand)) throw new FilterSyntaxError(at + 1, 'what begins here is neither true nor false')
    return operand
  }

  #term (condition: Condition, at: number, depth: number): Part {
    this.#count(at)
    return this.#part(condition, at, depth + 1)
  }

  #count (at: number): void {
    if (++this.#terms > this.#limits.maxTerms) throw new FilterSyntaxError(at + 1, `the expression has more than ${this.#limits.maxTerms} comparisons`)
  }

  #part (operand: Operand, at: number, depth: number): Part {
    if (depth > this.#limits.maxDepth) throw this.#tooDeep(at)
    return { operand, at, depth }
  }

  #tooDeep (at: number): FilterSyntaxError {
    return new FilterSyntaxError(at + 1, `the expression is nested more than ${this.#limits.maxDepth} deep`)
  }

  #slotOf (name: string): number {
    let slot = this.#slots.get(name)
    if (slot === undefined) this.#slots.set(name, slot = this.#slots.size)
    return slot
  }

  #string (): string {
    const token = this.#take()
    if (token.kind !== 'string') throw unexpected(token, 'a text in quotes')
    return token.text
  }

  #peek (): Token { return (this.#next ??= this.#lexer.tokenAt(this.#position)) }

  #take (): Token {
    const token = this.#peek()
    this.#position = token.end
    this.#next = undefined
    return token
  }

  #maybeTake (kind: Token['kind']): boolean {
    if (this.#peek().kind !== kind) return false
    this.#take()
    return true
  }

  #expect (kind: Token['kind']): void {
    const token = this.#take()
    if (token.kind !== kind) throw unexpected(token, kind)
  }
}

function unexpected (token: Token, wanted: string): FilterSyntaxError {
  const found = token.kind === 'end' ? 'the end' : 'text' in token ? `'${token.text.slice(0, 40)}'` : token.kind
  return new FilterSyntaxError(token.at + 1, `${wanted} is expected here, not ${found}`)
}

function isNull (operand: Operand): boolean { return operand.kind === 'literal' && operand.value === null }

function isLiteral (operand: Operand): boolean {
  return operand.kind === 'literal' || operand.kind === 'string' || ((operand.kind === 'long' || operand.kind === 'double') && operand.isLiteral)
}

function numberOf (operand: Operand): number | bigint {
  return operand.kind === 'long' || operand.kind === 'double' ? operand.value : NaN
}

function negated (operand: Operand): Operand {
  if (operand.kind === 'long') return { kind: 'long', value: -operand.value, isLiteral: false }
  return operand.kind === 'double' ? { kind: 'double', value: -operand.value, isLiteral: false } : { kind: 'nothing' }
}

const MAX_LONG = 2n ** 63n - 1n
const MAX_LONG_DIGITS = 19

function longOf (digits: string, at: number): bigint {
  const value = digits.length <= MAX_LONG_DIGITS ? BigInt(digits) : MAX_LONG + 1n
  if (value > MAX_LONG) throw new FilterSyntaxError(at + 1, 'the integer takes more than 64 bits')
  return value
}

/** @see RocketMQ ConstantExpression.createFloat, which takes no 0.0 either */
function doubleOf (text: string, at: number): number {
  const value = Number(text)
  if (value === Infinity || value < Number.MIN_VALUE) throw new FilterSyntaxError(at + 1, `${value === 0 ? 'a zero is written 0, not as a fraction' : 'the number is too large'}`)
  return value
}
