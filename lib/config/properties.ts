import { MqError } from '../base/index.ts'

/** One setting of a properties text. */
export interface Property {
  readonly key: string
  /** Without the blanks at its end, which Java keeps and then fails to read as a number. */
  readonly value: string
  /** Where it begins, from 1. */
  readonly line: number
}

/** Bounds of what is read at all. */
export const MAX_PROPERTIES_BYTES = 1024 * 1024
export const MAX_PROPERTIES = 4096

/** Where in the text the value stands, as written: [valueFrom, to). */
interface Span extends Property {
  readonly valueFrom: number
  readonly to: number
  /** There is a blank, `=` or `:` between key and value. */
  readonly isSeparated: boolean
}

/** A line with those that it is continued in: what they say without the backslashes and the blanks between them. */
interface LogicalLine {
  readonly raw: string
  readonly line: number
  /** Behind the last of them, without its line end. */
  readonly to: number
  /** Index in the text of the character at that index of `raw`. */
  readonly indexInText: (at: number) => number
}

const CONTROL_ESCAPES: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' }

/**
 * Settings of a text in the format of java.util.Properties (comments, continued lines, `=`, `:` or blanks after the key, escapes), in
 * the order of the text; a key that stands there twice comes twice. Bytes are UTF-8, where Java reads ISO 8859-1.
 * @throws MQ_INVALID_ARGUMENT too long, too many settings, an escape without its four digits, or a setting that is not UTF-8
 */
export function parseProperties (content: Uint8Array | string, source: string): Property[] {
  return [...spansOf(textOf(content, source), source)].map(({ key, value, line }) => ({ key, value, line }))
}

/** Lines `key=value` that `parseProperties` and Java read alike: what is not ASCII is escaped. Blanks at the end of a value are lost. */
export function formatProperties (entries: Iterable<readonly [key: string, value: string]>): string {
  let text = ''
  for (const [key, value] of entries) text += `${escaped(key, /[ =:#!]/g)}=${escapedValue(value)}\n`
  return text
}

/**
 * The text with new values for some settings; comments, order and all other lines stay as they are. Every line whose key is a name
 * of the setting, by `settingOf`, gets the value; a setting without a line gets one at the end.
 * @throws MQ_INVALID_ARGUMENT as `parseProperties`
 */
export function updateProperties (
  content: Uint8Array | string, source: string, changes: ReadonlyMap<string, string>, settingOf: (key: string) => string
): string {
  const before = textOf(content, source)
  const missing = new Map(changes)
  let text = ''
  let at = 0
  for (const { key, valueFrom, to, isSeparated } of spansOf(before, source)) {
    const value = changes.get(settingOf(key))
    if (value === undefined) continue
    missing.delete(settingOf(key))
    text += before.slice(at, valueFrom) + (isSeparated ? '' : '=') + escapedValue(value)
    at = to
  }
  text += before.slice(at)
  const newline = before.includes('\r\n') ? '\r\n' : '\n'
  if (missing.size > 0 && text !== '' && !/[\r\n]$/.test(text)) text += newline
  return text + formatProperties(missing).replaceAll('\n', newline)
}

function textOf (content: Uint8Array | string, source: string): string {
  if (content.length > MAX_PROPERTIES_BYTES) throw invalid(source, `is longer than ${MAX_PROPERTIES_BYTES} bytes`)
  return typeof content === 'string' ? content : new TextDecoder('utf-8', { ignoreBOM: true }).decode(content)
}

function * spansOf (text: string, source: string): Generator<Span> {
  let count = 0
  for (const logical of logicalLines(text)) {
    const at = `${source}:${logical.line}`
    if (++count > MAX_PROPERTIES) throw invalid(at, `more than ${MAX_PROPERTIES} settings`)
    yield spanOf(logical, at)
  }
}

/** All but comments and empty lines. */
function * logicalLines (text: string): Generator<LogicalLine> {
  let line = 1
  let from = text.startsWith('\uFEFF') ? 1 : 0
  while (from < text.length) {
    const first = line
    const pieces: Array<{ readonly from: number, readonly rawFrom: number }> = []
    let raw = ''
    let to: number
    let isContinued: boolean
    let isComment = false
    do {
      from = skipBlanks(text, from)
      to = endOfLine(text, from)
      if (raw === '') isComment = text[from] === '#' || text[from] === '!'
      isContinued = !isComment && endsInOddBackslashes(text, from, to)
      pieces.push({ from, rawFrom: raw.length })
      if (!isComment) raw += text.slice(from, isContinued ? to - 1 : to)
      from = to + (text.startsWith('\r\n', to) ? 2 : 1)
      line++
    } while (isContinued && from < text.length)
    if (raw === '') continue
    const indexInText = (at: number): number => {
      const piece = pieces.findLast(({ rawFrom }) => rawFrom <= at)!
      return piece.from + at - piece.rawFrom
    }
    yield { raw, line: first, to, indexInText }
  }
}

function endOfLine (text: string, from: number): number {
  let to = from
  while (to < text.length && text[to] !== '\n' && text[to] !== '\r') to++
  return to
}

function skipBlanks (text: string, from: number): number {
  let at = from
  while (text[at] === ' ' || text[at] === '\t' || text[at] === '\f') at++
  return at
}

function endsInOddBackslashes (text: string, from: number, to: number): boolean {
  let at = to
  while (at > from && text[at - 1] === '\\') at--
  return (to - at) % 2 === 1
}

function spanOf ({ raw, line, to, indexInText }: LogicalLine, at: string): Span {
  if (raw.includes('\uFFFD')) throw invalid(at, 'is not UTF-8')
  const keyTo = /^(?:\\[^]|[^\\=: \t\f])*/.exec(raw)![0].length
  let valueFrom = skipBlanks(raw, keyTo)
  if (raw[valueFrom] === '=' || raw[valueFrom] === ':') valueFrom = skipBlanks(raw, valueFrom + 1)
  return {
    key: unescaped(raw.slice(0, keyTo), at),
    value: unescaped(raw.slice(valueFrom), at).trimEnd(),
    line,
    valueFrom: indexInText(valueFrom),
    to,
    isSeparated: valueFrom > keyTo
  }
}

function unescaped (raw: string, at: string): string {
  return raw.replace(/\\(u.{0,4}|[^])/g, (match, escape: string) => {
    if (escape[0] !== 'u') return CONTROL_ESCAPES[escape] ?? escape
    if (!/^u[0-9a-fA-F]{4}$/.test(escape)) throw invalid(at, `${JSON.stringify(match)} is not \\u with four hexadecimal digits`)
    return String.fromCharCode(parseInt(escape.slice(1), 16))
  })
}

function escaped (plain: string, special: RegExp): string {
  return plain
    .replaceAll('\\', '\\\\')
    .replace(special, '\\$&')
    .replace(/[^\x20-\x7e]/g, (character) => {
      const letter = Object.keys(CONTROL_ESCAPES).find((key) => CONTROL_ESCAPES[key] === character)
      return `\\${letter ?? `u${character.charCodeAt(0).toString(16).padStart(4, '0')}`}`
    })
}

/** A blank, `=` or `:` at its beginning would pass for the separator. */
function escapedValue (value: string): string {
  return escaped(value, /^[ =:]/)
}

function invalid (at: string, what: string): MqError {
  return new MqError('MQ_INVALID_ARGUMENT', `${at}: ${what}`)
}
