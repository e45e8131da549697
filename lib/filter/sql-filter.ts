import { compile } from './compile.ts'
import type { Evaluate } from './evaluate.ts'
import { Truth } from './expression.ts'
import { filterLimits, parseExpression, type FilterLimits } from './parser.ts'
import { PropertyValues } from './property-values.ts'

/** What an evaluation costs beside its bytes. */
const BASE_COST = 64

/**
 * An SQL92 expression over the properties of messages, compiled once. It is evaluated on stored properties text, in place:
 * nothing is decoded, nothing allocated but for numbers of more than 15 digits and fractions.
 * @see RocketMQ SqlFilter. Divergence: integers compare by value, whatever their size (docs/divergence.md)
 */
export class SqlFilter {
  readonly expression: string
  readonly #values: PropertyValues
  readonly #evaluate: Evaluate
  readonly #termCount: number

  /** @throws FilterSyntaxError */
  constructor (expression: string, limits: FilterLimits = filterLimits) {
    const { condition, properties, termCount } = parseExpression(expression, limits)
    this.expression = expression
    this.#values = new PropertyValues(properties)
    this.#evaluate = compile(condition)
    this.#termCount = termCount
  }

  /** What it says of the properties at [from, to) of `bytes`. */
  evaluate (bytes: Uint8Array, from: number, to: number): Truth {
    this.#values.find(bytes, from, to)
    return this.#evaluate(this.#values)
  }

  /** Whether a message with those properties is wanted. */
  matches (bytes: Uint8Array, from: number, to: number): boolean { return this.evaluate(bytes, from, to) === Truth.true }

  /** How many bytes an evaluation may look at: what whoever evaluates many bounds his work by. */
  costOf (propertiesBytes: number): number { return BASE_COST + propertiesBytes * (1 + this.#termCount) }
}
