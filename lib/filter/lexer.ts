import { FilterSyntaxError } from './syntax-error.ts'

const keywords = ['NOT', 'AND', 'OR', 'BETWEEN', 'IN', 'TRUE', 'FALSE', 'NULL', 'IS', 'CONTAINS', 'STARTSWITH', 'ENDSWITH'] as const
export type Keyword = typeof keywords[number]
export type Symbol = '=' | '<>' | '<' | '<=' | '>' | '>=' | '(' | ')' | ',' | '+' | '-'

/** `at` and `end` are indexes into the expression. */
export type Token =
  | { readonly kind: Keyword | Symbol | 'end', readonly at: number, readonly end: number }
  | { readonly kind: 'name' | 'integer' | 'float' | 'string', readonly text: string, readonly at: number, readonly end: number }

const byName = new Map<string, Keyword>(keywords.map((keyword) => [keyword, keyword]))
const singles = new Set('=(),+-')

/**
 * Splits an expression into tokens, one at a time: what stands behind its end is never looked at.
 * @see RocketMQ SelectorParser.jj
 */
export class Lexer {
  readonly #text: string

  constructor (text: string) {
    this.#text = text
  }

  /** The token at `from` or, behind blanks and comments, after it. @throws FilterSyntaxError */
  tokenAt (from: number): Token {
    const text = this.#text
    const at = this.#skip(from)
    if (at >= text.length) return { kind: 'end', at, end: at }
    const first = text[at]!
    if (isNameStart(first)) return this.#name(at)
    if (isDigit(first) || (first === '.' && isDigit(text[at + 1]))) return this.#number(at)
    if (first === '\'') return this.#string(at)
    const second = text[at + 1]
    if (first === '<' && (second === '=' || second === '>')) return { kind: `<${second}`, at, end: at + 2 }
    if (first === '>' && second === '=') return { kind: '>=', at, end: at + 2 }
    if (first === '<' || first === '>' || singles.has(first)) return { kind: first as Symbol, at, end: at + 1 }
    throw new FilterSyntaxError(at + 1, `'${String.fromCodePoint(text.codePointAt(at)!)}' means nothing here`)
  }

  #skip (from: number): number {
    const text = this.#text
    let at = from
    for (;;) {
      while (at < text.length && isBlank(text[at]!)) at++
      const end = this.#commentEnd(at)
      if (end === at) return at
      at = end
    }
  }

  /** The end of the comment that begins there; `at` when none does, or it has no end. */
  #commentEnd (at: number): number {
    const text = this.#text
    if (text[at] === '-' && text[at + 1] === '-') {
      let end = at + 2
      while (end < text.length && text[end] !== '\n' && text[end] !== '\r') end++
      return end < text.length ? end + 1 : at
    }
    if (text[at] === '/' && text[at + 1] === '*') {
      const end = text.indexOf('*/', at + 2)
      return end < 0 ? at : end + 2
    }
    return at
  }

  #name (at: number): Token {
    const text = this.#text
    let end = at + 1
    while (end < text.length && (isNameStart(text[end]!) || isDigit(text[end]))) end++
    const name = text.slice(at, end)
    const keyword = name.length <= 10 ? byName.get(name.toUpperCase()) : undefined
    return keyword === undefined ? { kind: 'name', text: name, at, end } : { kind: keyword, at, end }
  }

  /** `0` or digits without a leading zero (with or without `l`); or digits with a point, an exponent, or both. */
  #number (at: number): Token {
    const text = this.#text
    const whole = this.#digits(at)
    let end = whole
    if (text[end] === '.') end = this.#digits(end + 1)
    const exponent = this.#exponentEnd(end)
    if (exponent > whole || end > whole) return { kind: 'float', text: text.slice(at, exponent), at, end: exponent }
    if (text[at] === '0') return { kind: 'integer', text: '0', at, end: at + 1 }
    const isLong = text[whole] === 'l' || text[whole] === 'L'
    return { kind: 'integer', text: text.slice(at, whole), at, end: isLong ? whole + 1 : whole }
  }

  #digits (from: number): number {
    let end = from
    while (isDigit(this.#text[end])) end++
    return end
  }

  #exponentEnd (at: number): number {
    const text = this.#text
    if (text[at] !== 'e' && text[at] !== 'E') return at
    const digits = text[at + 1] === '+' || text[at + 1] === '-' ? at + 2 : at + 1
    const end = this.#digits(digits)
    return end === digits ? at : end
  }

  /** A quote inside is written twice. The longest text that ends with a quote counts. */
  #string (at: number): Token {
    const text = this.#text
    let end = -1
    for (let i = at + 1; i < text.length; i++) {
      if (text[i] !== '\'') continue
      end = i + 1
      if (text[i + 1] !== '\'') break
      i++
    }
    if (end < 0) throw new FilterSyntaxError(at + 1, 'the text that begins here has no closing quote')
    return { kind: 'string', text: text.slice(at + 1, end - 1).replaceAll('\'\'', '\''), at, end }
  }
}

function isBlank (char: string): boolean { return char === ' ' || char === '\t' || char === '\n' || char === '\r' || char === '\f' }
function isDigit (char: string | undefined): boolean { return char !== undefined && char >= '0' && char <= '9' }
function isNameStart (char: string): boolean { return (char >= 'a' && char <= 'z') || (char >= 'A' && char <= 'Z') || char === '_' || char === '$' }
