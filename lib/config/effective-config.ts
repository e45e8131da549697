import { MqError } from '../base/index.ts'
import { reasonOf, type KeyTable } from './key.ts'
import { nearestName } from './nearest-name.ts'
import { parseProperties, type Property } from './properties.ts'
import { checks, keyTables, keyWrittenAs, otherReason, spellingsIn, type ConfigOf, type KeyOf, type SectionName } from './sections.ts'

/** Where a value came from. */
export type Origin =
  | { readonly kind: 'flag', readonly flag: string }
  | { readonly kind: 'environment', readonly variable: string }
  | { readonly kind: 'file', readonly file: string, readonly line: number, readonly writtenAs: string }
  | { readonly kind: 'update' }
  | { readonly kind: 'default' }

export interface ConfigWarning {
  /** `note`: the value is taken, and there is something to say about it. */
  readonly kind: 'unknown' | 'no-effect' | 'duplicate' | 'note'
  /** As written. */
  readonly key: string
  /** A line for the user, the place included. */
  readonly text: string
}

export interface ConfigSources<Section extends SectionName> {
  readonly flags?: ReadonlyArray<{ readonly flag: string, readonly key: KeyOf<Section>, readonly value: string }>
  readonly env?: Readonly<Record<string, string | undefined>>
  /** A later one overrides those before. Bytes are UTF-8. */
  readonly files?: ReadonlyArray<{ readonly name: string, readonly content: Uint8Array | string }>
  /** For what depends on the machine: the host's name, its address. */
  readonly defaults?: Partial<ConfigOf<Section>>
}

export interface EffectiveConfig<Section extends SectionName> {
  readonly section: Section
  readonly values: ConfigOf<Section>
  readonly origins: Readonly<Record<KeyOf<Section>, Origin>>
  readonly warnings: readonly ConfigWarning[]
}

interface Setting {
  readonly text: string
  readonly origin: Origin
}

/**
 * What is in force: flags before the environment, the environment before files, files before defaults.
 * @throws MQ_INVALID_ARGUMENT with one line per mistake: place, key, value and what is allowed; `errors` has them as a list
 */
export function effectiveConfig<Section extends SectionName> (section: Section, sources: ConfigSources<Section>): EffectiveConfig<Section> {
  const table: KeyTable = keyTables[section]
  const errors: string[] = []
  const warnings: ConfigWarning[] = []
  const settings = new Map<string, Setting>()
  for (const { name, content } of sources.files ?? []) readFile(section, name, content, { settings, errors, warnings })
  for (const [key, { env }] of Object.entries(table)) {
    const text = env === undefined ? undefined : sources.env?.[env]?.trim()
    if (text !== undefined && text !== '') settings.set(key, { text, origin: { kind: 'environment', variable: env! } })
  }
  for (const { flag, key, value } of sources.flags ?? []) settings.set(key, { text: value.trim(), origin: { kind: 'flag', flag } })

  const defaults: Readonly<Record<string, unknown>> = sources.defaults ?? {}
  const values: Record<string, unknown> = {}
  const origins: Record<string, Origin> = {}
  for (const [key, { default: fallback }] of Object.entries(table)) {
    values[key] = defaults[key] ?? fallback
    origins[key] = { kind: 'default' }
  }
  for (const [key, { text, origin }] of settings) {
    const result = parseValue(section, key, text)
    if ('objection' in result) {
      errors.push(`${originText(origin)}: ${result.objection}`)
    } else {
      values[key] = result.value
      origins[key] = origin
      warnings.push(...remarks(section, key, origin, result.value))
    }
  }
  if (errors.length === 0) errors.push(...checks[section].objections(values as ConfigOf<Section>).map(({ key, text }) => `${placeOf(key, origins[key]!).replace(/,$/, '')}: ${text}`))
  if (errors.length > 0) throw new MqError('MQ_INVALID_ARGUMENT', errors.join('\n'), { errors })
  for (const { kind, key, text } of checks[section].remarks(values as ConfigOf<Section>)) {
    const origin = origins[key]!
    warnings.push({ kind, key: origin.kind === 'file' ? origin.writtenAs : key, text: `${placeOf(key, origin)} ${text}` })
  }
  return { section, values: values as ConfigOf<Section>, origins: origins as EffectiveConfig<Section>['origins'], warnings }
}

export function originText (origin: Origin): string {
  switch (origin.kind) {
    case 'flag': return `flag ${origin.flag}`
    case 'environment': return `environment ${origin.variable}`
    case 'file': return `${origin.file}:${origin.line}`
    case 'update': return 'update at run time'
    case 'default': return 'default'
  }
}

/** For messages: `broker.conf:3: dLederPeers, read as dLegerPeers,`. */
function placeOf (key: string, origin: Origin): string {
  if (origin.kind === 'default') return key
  return `${originText(origin)}: ${origin.kind === 'file' && origin.writtenAs !== key ? `${origin.writtenAs}, read as ${key},` : key}`
}

/** The value of a text, or what is wrong with it. */
export function parseValue (section: SectionName, key: string, text: string): { readonly value: unknown } | { readonly objection: string } {
  const { type, refusal, isSecret } = (keyTables[section] as KeyTable)[key]!
  const value: unknown = type.parse(text)
  if (value === undefined) return { objection: `${key}=${isSecret ? '***' : shortened(text)}: expected ${type.allowed}` }
  const reason = refusal(value)
  return reason === undefined ? { value } : { objection: `${key}=${shortened(text)}: ${reason}` }
}

/** What to say of a key that is not in the table. */
export function unknownKey (section: SectionName, written: string): { readonly kind: 'unknown' | 'no-effect', readonly text: string } {
  const reason = otherReason(section, written)
  if (reason !== undefined) return { kind: 'no-effect', text: `has no effect: ${reason}` }
  const sections = Object.keys(keyTables) as SectionName[]
  const reader = sections.find((other) => keyWrittenAs(other, written) !== undefined || otherReason(other, written) !== undefined)
  if (reader !== undefined) return { kind: 'no-effect', text: `has no effect: it is a setting of ${READERS[reader]}, not of ${READERS[section]}` }
  const nearest = nearestName(written, spellingsIn(section))
  return { kind: 'unknown', text: `is not a known setting${nearest === undefined ? '' : `; is ${nearest} meant?`}` }
}

const READERS: Readonly<Record<SectionName, string>> = { broker: 'the broker', namesrv: 'the name server', client: 'clients' }

interface Findings {
  readonly settings: Map<string, Setting>
  readonly errors: string[]
  readonly warnings: ConfigWarning[]
}

function readFile (section: SectionName, file: string, content: Uint8Array | string, { settings, errors, warnings }: Findings): void {
  let properties: Property[]
  try {
    properties = parseProperties(content, file)
  } catch (error) {
    if (!(error instanceof MqError)) throw error
    errors.push(error.message)
    return
  }
  const earlier = new Map<string, Property>()
  for (const property of properties) {
    const { key: writtenAs, value, line } = property
    const key = keyWrittenAs(section, writtenAs)
    const name = key ?? writtenAs
    const before = earlier.get(name)
    earlier.set(name, property)
    if (before?.key === writtenAs) {
      const text = `${file}:${line}: ${shortened(writtenAs)} stands already in line ${before.line}; this line counts`
      warnings.push({ kind: 'duplicate', key: writtenAs, text })
    } else if (before !== undefined && before.value !== value) {
      errors.push(`${file}:${line}: ${writtenAs} is another spelling of ${before.key}, which has a different value in line ${before.line}`)
    }
    if (key !== undefined) {
      settings.set(key, { text: value.trim(), origin: { kind: 'file', file, line, writtenAs } })
    } else if (before === undefined) {
      const { kind, text } = unknownKey(section, writtenAs)
      warnings.push({ kind, key: writtenAs, text: `${file}:${line}: ${shortened(writtenAs)} ${text}` })
    }
  }
}

/** What there is to say of a setting whose value is allowed. The environment is often set for others: no complaints about that. */
function remarks (section: SectionName, key: string, origin: Origin, value: unknown): ConfigWarning[] {
  if (origin.kind === 'environment') return []
  const definition = (keyTables[section] as KeyTable)[key]!
  const writtenAs = origin.kind === 'file' ? origin.writtenAs : key
  const reason = reasonOf(definition)
  const note = definition.note(value)
  const remark = (kind: 'no-effect' | 'note', text: string): ConfigWarning[] => [{ kind, key: writtenAs, text: `${placeOf(key, origin)} ${text}` }]
  if (reason !== undefined) return remark('no-effect', `has no effect: ${reason}`)
  return note === undefined ? [] : remark('note', `is ${definition.type.format(value)}: ${note}`)
}

const MAX_SHOWN = 80

/** For messages: on one line, not too long. */
export function shortened (text: string): string {
  const plain = text.replace(/\p{C}/gu, '?')
  return plain.length > MAX_SHOWN ? `${plain.slice(0, MAX_SHOWN)}...` : plain
}
