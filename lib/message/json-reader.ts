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

/** A map's key that is an object, also where it was written as text with JSON inside; undefined for any other key. */
export function objectKey (key: JsonKey): JsonMap | undefined {
  if (typeof key !== 'string') return key
  if (!key.startsWith('{')) return undefined
  try {
    return jsonMap(parseJson(key))
  } catch {
    return undefined
  }
}

// What Java's readers take for a value of a type; undefined when it is absent or unfit.

export function jsonText (value: JsonValue | undefined): string | undefined {
  if (typeof value === 'string') return value
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean' ? String(value) : undefined
}

/** A Java long, also from text. */
export function jsonLong (value: JsonValue | undefined): number | bigint | undefined {
  const long = typeof value === 'string' && integer.test(value) ? integerOf(value) : value
  return typeof long === 'bigint' || (typeof long === 'number' && Number.isSafeInteger(long)) ? long : undefined
}

/** A 32-bit integer, also from text. */
export function jsonInt (value: JsonValue | undefined): number | undefined {
  const long = jsonLong(value)
  return typeof long === 'number' && long === (long | 0) ? long | 0 : undefined
}

export function jsonBoolean (value: JsonValue | undefined): boolean | undefined {
  if (typeof value === 'boolean') return value
  if (value === 'true' || value === 1) return true
  return value === 'false' || value === 0 ? false : undefined
}

export function jsonMap (value: JsonValue | undefined): JsonMap | undefined {
  return value instanceof Map ? value : undefined
}

export function jsonArray (value: JsonValue | undefined): JsonValue[] | undefined {
  return Array.isArray(value) ? value : undefined
}

const integer = /^-?\d{1,19}$/
const number = /-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/y
const word = /[\w$@.-]+/y
const LONGEST_NUMBER = 400
/** So many digits are below 2^53 whatever they are. */
const SHORT_INTEGER = 15

function integerOf (digits: string): number | bigint {
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
    const value = this.#value((container) => container)
    this.#skipBlanks()
    if (this.#at < this.#text.length) throw this.#error('more than one value')
    return value
  }

  /** `attach` puts a container where it belongs before it is filled, so that references find what was read so far. */
  #value (attach: (container: JsonValue[] | JsonMap) => void): JsonValue {
    this.#skipBlanks()
    switch (this.#text[this.#at]) {
      case '{': return this.#object(attach)
      case '[': return this.#array(attach)
      case '"': case '\'': return this.#string()
      default: return this.#scalar()
    }
  }

  #object (attach: (container: JsonMap) => void): JsonValue {
    const map: JsonMap = new Map()
    this.#enter(map)
    attach(map)
    while (!this.#ends('}')) {
      const key = this.#key()
      if (typeof key !== 'string') this.#onlyObjectKeys.set(map, this.#onlyObjectKeys.has(map) ? undefined : key)
      this.#skipBlanks()
      if (this.#text[this.#at] !== ':') throw this.#error('a colon is missing')
      this.#at++
      map.set(key, this.#value((container) => { map.set(key, container) }))
      this.#separator('}')
    }
    this.#open.pop()
    return this.#referred(map) ?? map
  }

  #array (attach: (container: JsonValue[]) => void): JsonValue[] {
    const array: JsonValue[] = []
    this.#enter(array)
    attach(array)
    while (!this.#ends(']')) {
      const index = array.length
      array[index] = this.#value((container) => { array[index] = container })
      this.#separator(']')
    }
    this.#open.pop()
    return array
  }

  #enter (container: JsonValue[] | JsonMap): void {
    if (this.#open.length >= this.#limits.maxDepth) throw this.#error(`nested deeper than ${this.#limits.maxDepth}`)
    if (++this.#containers > this.#limits.maxContainers) throw this.#error(`more than ${this.#limits.maxContainers} objects and arrays`)
    this.#open.push(container)
    this.#at++
  }

  /** Whether the container ends here; passes over its end. */
  #ends (end: string): boolean {
    this.#skipCommas()
    if (this.#at >= this.#text.length) throw this.#error(`the text ends before ${end}`)
    if (this.#text[this.#at] !== end) return false
    this.#at++
    return true
  }

  #separator (end: string): void {
    this.#skipBlanks()
    if (this.#text[this.#at] !== ',' && this.#text[this.#at] !== end) throw this.#error('a comma is missing')
  }

  #key (): JsonKey {
    const first = this.#text[this.#at]
    if (first === '"' || first === '\'') return this.#string()
    if (first !== '{') return this.#match(word) ?? this.#fail('a key is missing')
    const key = this.#object(() => {})
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
      if (at === this.#at || !(unit === 0x2c || unit === 0x7d || unit === 0x5d)) return undefined
      this.#at = at
      return value
    }
    return undefined
  }

  #string (): string {
    const text = this.#text
    const quote = text.charCodeAt(this.#at)
    let from = ++this.#at
    let done = ''
    for (; this.#at < text.length; this.#at++) {
      const unit = text.charCodeAt(this.#at)
      if (unit === quote) return done + text.slice(from, this.#at++)
      if (unit !== 0x5c) continue
      done += text.slice(from, this.#at) + this.#escaped()
      from = this.#at + 1
    }
    throw this.#error('the text ends within a string')
  }

  /** Reads an escape and stands on its last character afterwards. */
  #escaped (): string {
    const letter = this.#text[++this.#at]
    if (letter === undefined) throw this.#error('the text ends within a string')
    if (letter !== 'u' && letter !== 'x') return Object.hasOwn(escapes, letter) ? escapes[letter]! : letter
    const digits = this.#text.slice(this.#at + 1, this.#at + (letter === 'u' ? 5 : 3))
    if (!(letter === 'u' ? /^[\da-fA-F]{4}$/ : /^[\da-fA-F]{2}$/).test(digits)) throw this.#error('an escape is not complete')
    this.#at += digits.length
    return String.fromCharCode(parseInt(digits, 16))
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

  #skipCommas (): void {
    this.#skipBlanks()
    while (this.#text[this.#at] === ',') {
      this.#at++
      this.#skipBlanks()
    }
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
