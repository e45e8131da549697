import { MqError } from '../base/index.ts'
import { parseValue, shortened, unknownKey, type EffectiveConfig, type Origin } from './effective-config.ts'
import { reasonOf, type KeyTable } from './key.ts'
import { parseProperties, updateProperties } from './properties.ts'
import { keyTables, keyWrittenAs, type ConfigOf, type KeyOf, type SectionName } from './sections.ts'

export interface ConfigUpdate<Section extends SectionName> {
  /** With the new values. */
  readonly config: EffectiveConfig<Section>
  /** What differs from before, as text; empty when nothing does. */
  readonly changes: ReadonlyMap<KeyOf<Section>, string>
  /** All that was asked for, as text, what is so already included. */
  readonly wanted: ReadonlyMap<KeyOf<Section>, string>
}

export interface UpdateRefusal {
  /** As written. */
  readonly key: string
  /** `not-changeable`: the key may be known and the value allowed, but not while running. */
  readonly reason: 'unknown' | 'no-effect' | 'not-changeable' | 'invalid'
  readonly text: string
}

const MAX_REFUSALS = 16
const INSTEAD = 'change the configuration file and start again'

/**
 * What the body of an update request (a properties text) changes: all that it names, or nothing. A value that is in force already
 * changes nothing, whatever its key: a tool may send back all that it was told.
 * @throws MQ_INVALID_ARGUMENT with a line per refusal, 16 at most; `refusals` has them as a list
 */
export function planUpdate<Section extends SectionName> (config: EffectiveConfig<Section>, body: Uint8Array | string): ConfigUpdate<Section> {
  const { section } = config
  const changes = new Map<KeyOf<Section>, string>()
  const wanted = new Map<KeyOf<Section>, string>()
  const values: Record<string, unknown> = { ...config.values }
  const origins: Record<string, Origin> = { ...config.origins }
  const refusals: UpdateRefusal[] = []
  // the answer is a remark of a header, and whoever asks may send anything
  for (const [name, { written, given }] of wantedBy(section, body)) {
    const key = keyWrittenAs(section, name)
    const result = key === undefined ? refusalOfUnknown(section, name) : newValue(section, key, given, config.values)
    if ('refusal' in result) {
      if (refusals.length === MAX_REFUSALS) break
      refusals.push({ key: written, ...result.refusal })
      continue
    }
    wanted.set(key!, result.text)
    if (result.isNew) {
      changes.set(key!, result.text)
      values[key!] = result.value
      origins[key!] = { kind: 'update' }
    }
  }
  if (refusals.length > 0) throw new MqError('MQ_INVALID_ARGUMENT', refusals.map(({ text }) => text).join('\n'), { refusals })
  return { config: { ...config, values: values as ConfigOf<Section>, origins: origins as EffectiveConfig<Section>['origins'] }, changes, wanted }
}

/** A configuration file with the changes in it, so that they are there after a restart; its comments and order stay. */
export function updatedFile<Section extends SectionName> (
  section: Section, file: string, content: Uint8Array | string, changes: ReadonlyMap<KeyOf<Section>, string>
): string {
  return updateProperties(content, file, changes, (written) => keyWrittenAs(section, written) ?? written)
}

/** By key, whatever its spelling; of several values the last counts, as in Java. */
function wantedBy (section: SectionName, body: Uint8Array | string): Map<string, { readonly written: string, readonly given: string }> {
  const wanted = new Map<string, { readonly written: string, readonly given: string }>()
  for (const { key: written, value } of parseProperties(body, 'update')) wanted.set(keyWrittenAs(section, written) ?? written, { written, given: value.trim() })
  return wanted
}

type Refused = { readonly refusal: Omit<UpdateRefusal, 'key'> }
type Accepted = { readonly isNew: boolean, readonly value: unknown, readonly text: string }

function refusalOfUnknown (section: SectionName, written: string): Refused {
  const { kind, text } = unknownKey(section, written)
  return { refusal: { reason: kind, text: `${shortened(written)} ${text}` } }
}

function newValue<Section extends SectionName> (section: Section, key: KeyOf<Section>, given: string, current: ConfigOf<Section>): Refused | Accepted {
  const { type, isChangeable, ...definition } = (keyTables[section] as KeyTable)[key]!
  const parsed: unknown = type.parse(given)
  const text = parsed === undefined ? given : type.format(parsed)
  if (text === type.format(current[key])) return { isNew: false, value: parsed, text }
  const noEffect = reasonOf(definition)
  if (noEffect !== undefined) return { refusal: { reason: 'no-effect', text: `${key} has no effect: ${noEffect}` } }
  if (!isChangeable) return { refusal: { reason: 'not-changeable', text: `${key} cannot be changed while running: ${INSTEAD}` } }
  const result = parseValue(section, key, given)
  return 'value' in result ? { isNew: true, value: result.value, text } : { refusal: { reason: 'invalid', text: result.objection } }
}
