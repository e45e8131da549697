import { MqError } from '../base/index.ts'

/**
 * JSON as RocketMQ's clients, brokers and tools write it (fastjson 1.2): standard JSON, and beyond it keys without
 * quotes (`{0:"a"}`), objects as keys (`{{"queueId":0}:5}`), single quotes, superfluous commas and references to a value
 * written before (`{"$ref":"$.a[0]"}`). Everything else that is no JSON is refused. What is read cannot run away: nesting,
 * size and the number of objects and arrays are bounded, and no value contains itself. References make values shared: who
 * walks all of what was read must not follow the same value from many places.
 */

/** Text, or an object where a Java map has one as its key. Numbers written as keys are text here. */
export type JsonKey = string | JsonMap
export interface JsonMap extends Map<JsonKey, JsonValue> {}
/** Integers that a number cannot hold exactly are bigint. */
export type JsonValue = null | boolean | number | bigint | string | JsonValue[] | JsonMap

export interface JsonLimits {
  readonly maxBytes: number
  readonly maxDepth: number
  /** Objects and arrays together: an empty one takes three bytes of text, but some 200 of memory. */
  readonly maxContainers: number
}

export const jsonLimits: JsonLimits = { maxBytes: 16 * 1024 * 1024, maxDepth: 64, maxContainers: 250_000 }

/**
 * Reads one value and all of the text.
 * @throws MQ_INVALID_ARGUMENT it is no JSON in this wide sense, or beyond a limit; the message tells where
 */
export function parseJson (source: string | Uint8Array, limits: JsonLimits = jsonLimits): JsonValue {
  if (source.length > limits.maxBytes) throw new MqError('MQ_INVALID_ARGUMENT', `JSON of ${source.length} bytes is longer than ${limits.maxBytes}`)
  const text = typeof source === 'string' ? source : Buffer.from(source.buffer, source.byteOffset, source.byteLength).toString('utf8')
  return new JsonReader(text, limits).readAll()
}

const DOUBLE_QUOTE = 0x22
const SINGLE_QUOTE = 0x27
const COMMA = 0x2c
const COLON = 0x3a
const OPENING_BRACKET = 0x5b
const BACKSLASH = 0x5c
const CLOSING_BRACKET = 0x5d
const OPENING_BRACE = 0x7b
const CLOSING_BRACE = 0x7d

/** Digits that may be a Java long. */
export const integer = /^-?\d{1,19}$/
const number = /-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/y
const word = /[\w$@.-]+/y
const LONGEST_NUMBER = 400
/** So many digits are below 2^53 whatever they are. */
const SHORT_INTEGER = 15

/** Of digits that `integer` matches. */
export function integerOf (digits: string): number | bigint {
  const value = Number(digits)
  return Number.isSafeInteger(value) ? value + 0 : BigInt(digits)
}

const escapes: Readonly<Record<string, string>> = {
  b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v', 0: '\0', 1: '\x01', 2: '\x02', 3: '\x03', 4: '\x04', 5: '\x05', 6: '\x06', 7: '\x07'
}

class JsonReader {
  readonly #text: string
  readonly #limits: JsonLimits
  #at = 0
  #containers = 0
  /** What is being read, outermost first. */
  readonly #open: Array<JsonValue[] | JsonMap> = []
  /** Of maps with keys that are objects: that key while it is the only one, else undefined. */
  readonly #onlyObjectKeys = new Map<JsonMap, JsonMap | undefined>()

  constructor (text: string, limits: JsonLimits) {
    this.#text = text
    this.#limits = limits
  }

  readAll (): JsonValue {
    if (this.#text.charCodeAt(0) === 0xfeff) this.#at++
    const value = this.#value(undefined, 0)
    this.#skipBlanks()
    if (this.#at < this.#text.length) throw this.#error('more than one value')
    return value
  }

  /** Reads what will be at `key` of `parent`. Objects and arrays are put there before they are filled, so that references find what was read so far. */
  #value (parent: JsonMap | JsonValue[] | undefined, key: JsonKey | number): JsonValue {
    this.#skipBlanks()
    switch (this.#text.charCodeAt(this.#at)) {
      case OPENING_BRACE: return this.#object(parent, key)
      case OPENING_BRACKET: return this.#array(parent, key)
      case DOUBLE_QUOTE: case SINGLE_QUOTE: return this.#string()
      default: return this.#scalar()
    }
  }

  #object (parent: JsonMap | JsonValue[] | undefined, place: JsonKey | number): JsonMap | JsonValue[] {
    const map: JsonMap = new Map()
    this.#enter(map, parent, place)
    while (!this.#ends(CLOSING_BRACE)) {
      const key = this.#key()
      if (typeof key !== 'string') this.#onlyObjectKeys.set(map, this.#onlyObjectKeys.has(map) ? undefined : key)
      this.#skipBlanks()
      if (this.#text.charCodeAt(this.#at) !== COLON) throw this.#error('a colon is missing')
      this.#at++
      map.set(key, this.#value(map, key))
      this.#separator(CLOSING_BRACE)
    }
    this.#open.pop()
    return this.#referred(map) ?? map
  }

  #array (parent: JsonMap | JsonValue[] | undefined, place: JsonKey | number): JsonValue[] {
    const array: JsonValue[] = []
    this.#enter(array, parent, place)
    while (!this.#ends(CLOSING_BRACKET)) {
      const index = array.length
      array[index] = this.#value(array, index)
      this.#separator(CLOSING_BRACKET)
    }
    this.#open.pop()
    return array
  }

  #enter (container: JsonValue[] | JsonMap, parent: JsonMap | JsonValue[] | undefined, place: JsonKey | number): void {
    if (this.#open.length >= this.#limits.maxDepth) throw this.#error(`nested deeper than ${this.#limits.maxDepth}`)
    if (++this.#containers > this.#limits.maxContainers) throw this.#error(`more than ${this.#limits.maxContainers} objects and arrays`)
    this.#open.push(container)
    this.#at++
    if (Array.isArray(parent)) parent[place as number] = container
    else parent?.set(place as JsonKey, container)
  }

  /** Whether the container ends here; passes over its end. */
  #ends (end: number): boolean {
    this.#skipBlanks()
    while (this.#text.charCodeAt(this.#at) === COMMA) {
      this.#at++
      this.#skipBlanks()
    }
    if (this.#at >= this.#text.length) throw this.#error(`the text ends before ${String.fromCharCode(end)}`)
    if (this.#text.charCodeAt(this.#at) !== end) return false
    this.#at++
    return true
  }

  #separator (end: number): void {
    this.#skipBlanks()
    const unit = this.#text.charCodeAt(this.#at)
    if (unit !== COMMA && unit !== end) throw this.#error('a comma is missing')
  }

  #key (): JsonKey {
    const first = this.#text.charCodeAt(this.#at)
    if (first === DOUBLE_QUOTE || first === SINGLE_QUOTE) return this.#string()
    if (first !== OPENING_BRACE) return this.#match(word) ?? this.#fail('a key is missing')
    const key = this.#object(undefined, 0)
    return key instanceof Map ? key : this.#fail('a key is no object')
  }

  #scalar (): JsonValue {
    const short = this.#shortInteger()
    if (short !== undefined) return short
    const digits = this.#match(number)
    if (digits !== undefined) {
      if (digits.length > LONGEST_NUMBER) throw this.#error('a number is too long')
      return integer.test(digits) ? integerOf(digits) : Number(digits)
    }
    switch (this.#match(word)) {
      case 'true': return true
      case 'false': return false
      case 'null': case 'NaN': case 'undefined': return null
      default: throw this.#error('a value is missing')
    }
  }

  /** Most numbers are short integers: those are read without a pattern. */
  #shortInteger (): number | undefined {
    let value = 0
    for (let at = this.#at; at < this.#at + SHORT_INTEGER; at++) {
      const unit = this.#text.charCodeAt(at)
      if (unit >= 0x30 && unit <= 0x39) {
        value = value * 10 + unit - 0x30
        continue
      }
      if (at === this.#at || !(unit === COMMA || unit === CLOSING_BRACE || unit === CLOSING_BRACKET)) return undefined
      this.#at = at
      return value
    }
    return undefined
  }

  #string (): string {
    const text = this.#text
    const quote = text.charCodeAt(this.#at)
    const from = ++this.#at
    let isEscaped = false
    for (let at = from; at < text.length; at++) {
      const unit = text.charCodeAt(at)
      if (unit === quote) {
        const string = isEscaped ? this.#unescaped(from, at) : text.slice(from, at)
        this.#at = at + 1
        return string
      }
      if (unit !== BACKSLASH) continue
      isEscaped = true
      at++
    }
    throw this.#error('the text ends within a string')
  }

  /** Characters [from, to) with their escapes resolved. */
  #unescaped (from: number, to: number): string {
    const text = this.#text
    const units = new Uint16Array(to - from)
    let count = 0
    for (this.#at = from; this.#at < to; this.#at++) {
      const unit = text.charCodeAt(this.#at)
      units[count++] = unit === BACKSLASH ? this.#escape(to) : unit
    }
    return Buffer.from(units.buffer, 0, count * 2).toString('utf16le')
  }

  /** Reads an escape and stands on its last character afterwards. */
  #escape (end: number): number {
    const letter = this.#text[++this.#at]!
    if (letter !== 'u' && letter !== 'x') return (Object.hasOwn(escapes, letter) ? escapes[letter]! : letter).charCodeAt(0)
    const from = this.#at + 1
    this.#at += letter === 'u' ? 4 : 2
    const digits = this.#text.slice(from, Math.min(this.#at + 1, end))
    if (from + digits.length !== this.#at + 1 || !/^[\da-fA-F]+$/.test(digits)) throw this.#error('an escape is not complete')
    return parseInt(digits, 16)
  }

  #match (pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0]
    if (found !== undefined) this.#at += found.length
    return found
  }

  #skipBlanks (): void {
    while (this.#text.charCodeAt(this.#at) <= 0x20) this.#at++
  }

  /** What a map that is a reference stands for; undefined: it is none, or what it names is not there or not complete. */
  #referred (map: JsonMap): JsonMap | JsonValue[] | undefined {
    if (map.size !== 1) return undefined
    const path = map.get('$ref')
    if (typeof path !== 'string' || !path.startsWith('$')) return undefined
    let value: JsonValue | undefined = this.#open[0] ?? map
    for (const step of path.slice(1).match(/[^.[\]]+/g) ?? []) value = this.#step(value, step)
    const isComplete = (value instanceof Map || Array.isArray(value)) && value !== map && !this.#open.includes(value)
    return isComplete ? value as JsonMap | JsonValue[] : undefined
  }

  /** An object that is a key has no name of its own, the writer calls it null: only one such key can be meant with certainty. */
  #step (value: JsonValue | undefined, step: string): JsonValue | undefined {
    if (Array.isArray(value)) return value[Number(step)]
    if (!(value instanceof Map)) return undefined
    return value.get(step) ?? (step === 'null' ? this.#onlyObjectKeys.get(value) : undefined)
  }

  #fail (what: string): never { throw this.#error(what) }

  #error (what: string): MqError {
    return new MqError('MQ_INVALID_ARGUMENT', `not JSON: ${what} at character ${this.#at} of ${this.#text.length}`)
  }
}
