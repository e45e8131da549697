/**
 * JSON as RocketMQ's clients and tools read it. Two shapes of the same value:
 *
 * - `fastjson`: keys of maps that are numbers or objects stand raw, as fastjson 1.2 writes them: `{0:"a"}`, `{{"queueId":0}:5}`.
 *   Needed by readers that parse nothing else, and what tools print.
 * - `standard`: proper JSON in ASCII; such keys are text (`{"0":"a"}`), everything beyond ASCII is escaped, maps are sorted.
 *
 * In both, an object's fields are sorted by name and those that are undefined or null are left out, as are such values of maps.
 */
export type JsonShape = 'fastjson' | 'standard'

export interface JsonFields { readonly [name: string]: JsonOutput }
/** Maps are Java's maps (any key, kept in order by `fastjson`), other objects are beans. */
export type JsonOutput = undefined | null | boolean | number | bigint | string | JsonDouble | readonly JsonOutput[] | ReadonlyMap<JsonOutputKey, JsonOutput> | JsonFields
export type JsonOutputKey = string | number | bigint | JsonFields | ReadonlyMap<any, any>

/** A Java double: written with a fraction, also where there is none (`0.0`). */
export class JsonDouble {
  readonly value: number
  constructor (value: number) { this.value = value }
  toString (): string { return Number.isInteger(this.value) && Math.abs(this.value) < 1e21 ? `${this.value}.0` : String(this.value) }
}

export function writeJson (value: JsonOutput, shape: JsonShape = 'fastjson'): string {
  switch (typeof value) {
    case 'string': return quoted(value, shape)
    case 'number': return Number.isFinite(value) ? String(value) : 'null'
    case 'boolean': case 'bigint': return String(value)
    case 'undefined': return 'null'
  }
  if (value === null) return 'null'
  if (value instanceof JsonDouble) return Number.isFinite(value.value) ? value.toString() : 'null'
  if (value instanceof Map) return writeMap(value, shape)
  if (Array.isArray(value)) return `[${value.map((item: JsonOutput) => writeJson(item, shape)).join(',')}]`
  return writeFields(value as JsonFields, shape)
}

/** The same in UTF-8, as it goes into a body. */
export function encodeJson (value: JsonOutput, shape: JsonShape = 'fastjson'): Uint8Array {
  return Buffer.from(writeJson(value, shape), shape === 'standard' ? 'latin1' : 'utf8')
}

function writeFields (fields: JsonFields, shape: JsonShape): string {
  let text = '{'
  for (const name of Object.keys(fields).sort()) {
    const value = fields[name]
    if (value === undefined || value === null) continue
    text += `${text.length > 1 ? ',' : ''}${quoted(name, shape)}:${writeJson(value, shape)}`
  }
  return text + '}'
}

function writeMap (map: ReadonlyMap<JsonOutputKey, JsonOutput>, shape: JsonShape): string {
  const items = [...map].filter(([, value]) => value !== undefined && value !== null)
  if (shape === 'standard') items.sort(([a], [b]) => isBefore(a, b) ? -1 : Number(isBefore(b, a)))
  return `{${items.map(([key, value]) => `${mapKey(key, shape)}:${writeJson(value, shape)}`).join(',')}}`
}

/** Numbers by value, texts by their characters, objects by what they are written as. */
function isBefore (a: JsonOutputKey, b: JsonOutputKey): boolean {
  return typeof a === 'object' || typeof b === 'object' ? writeJson(a) < writeJson(b) : a < b
}

function mapKey (key: JsonOutputKey, shape: JsonShape): string {
  if (typeof key === 'string') return quoted(key, shape)
  const raw = writeJson(key, shape)
  return shape === 'fastjson' ? raw : quoted(raw, shape)
}

function quoted (text: string, shape: JsonShape): string {
  const json = JSON.stringify(text)
  return shape === 'fastjson' ? json : json.replace(/[^\0-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`)
}
