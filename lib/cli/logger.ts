import { pino } from 'pino'
import type { Logger } from '../base/index.ts'
import { keyTables, type KeyTable } from '../config/index.ts'

export type LogFormat = 'text' | 'json'

/** Facts that are never printed, whoever logs them. */
const SECRETS = ['password', 'secretKey', 'secret', 'signature']

/**
 * Events of this process, one line each, on stderr: for people (time, level, what happened, facts), or JSON for programs.
 * Logging outlives its reader: what cannot be written is dropped.
 */
export function createLogger (format: LogFormat): Logger {
  process.stderr.on('error', () => {})
  const write = (line: string): void => { process.stderr.write(line) }
  const logger = pino({
    base: format === 'json' ? { pid: process.pid } : null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { error: errorText, cause: errorText },
    redact: { paths: [...SECRETS.flatMap((name) => [name, `*.${name}`]), ...secretKeys()], censor: '***' }
  }, { write: format === 'json' ? write : (line) => { write(lineText(JSON.parse(line) as Event)) } })
  return {
    debug: (message, facts = {}) => { logger.debug(facts, message) },
    info: (message, facts = {}) => { logger.info(facts, message) },
    warn: (message, facts = {}) => { logger.warn(facts, message) },
    error: (message, facts = {}) => { logger.error(facts, message) }
  }
}

function secretKeys (): string[] {
  return Object.values<KeyTable>(keyTables).flatMap((table) => Object.keys(table).filter((key) => table[key]!.isSecret).map((key) => `["${key}"]`))
}

function errorText (value: unknown): unknown {
  if (!(value instanceof Error)) return value
  return value.cause instanceof Error ? `${value.message}: ${value.cause.message}` : value.message
}

interface Event {
  readonly level: string
  readonly time: string
  readonly msg?: string
  readonly [fact: string]: unknown
}

/** One line, whatever is in it: names and texts may come from clients. */
export function lineText ({ level, time, msg = '', ...facts }: Event): string {
  const shown = Object.entries(facts).map(([name, value]) => ` ${name}=${factText(value)}`).join('')
  return `${time} ${level.toUpperCase().padEnd(5)} ${withoutControl(msg)}${shown}\n`
}

function factText (value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return typeof value === 'string' && /[\s"=\p{C}]|^$/u.test(text) ? withoutControl(JSON.stringify(text)) : text
}

function withoutControl (text: string): string {
  return text.replace(/\p{C}/gu, (character) => character === '\n' ? ' | ' : '?')
}
