import { brokerKeys } from './broker-keys.ts'
import { clientKeys } from './client-keys.ts'
import { groupObjections, groupRemarks } from './group-checks.ts'
import { reasonOf, type Key, type KeyTable, type ValuesOf } from './key.ts'
import { namesrvKeys } from './namesrv-keys.ts'
import { otherBrokerKeys, otherNamesrvKeys, type OtherKeys } from './other-keys.ts'

/** Every key there is, by who reads it. */
export const keyTables = { broker: brokerKeys, namesrv: namesrvKeys, client: clientKeys } as const satisfies Record<string, KeyTable>

export type SectionName = keyof typeof keyTables
export type ConfigOf<Section extends SectionName> = ValuesOf<typeof keyTables[Section]>
export type KeyOf<Section extends SectionName> = keyof typeof keyTables[Section] & string
export type BrokerConfig = ConfigOf<'broker'>
export type NamesrvConfig = ConfigOf<'namesrv'>
export type ClientConfig = ConfigOf<'client'>

/** What several keys say together. */
interface Checks<Section extends SectionName> {
  /** What is not allowed, by a key to look at. */
  readonly objections: (values: ConfigOf<Section>) => ReadonlyArray<{ readonly key: string, readonly text: string }>
  /** What is, and there is something to say about it. */
  readonly remarks: (values: ConfigOf<Section>) => ReadonlyArray<{ readonly kind: 'no-effect' | 'note', readonly key: string, readonly text: string }>
}

const noChecks = { objections: () => [], remarks: () => [] }

export const checks: { readonly [Section in SectionName]: Checks<Section> } = {
  broker: { objections: groupObjections, remarks: groupRemarks }, namesrv: noChecks, client: noChecks
}

export const otherKeys: Readonly<Record<SectionName, OtherKeys>> = { broker: otherBrokerKeys, namesrv: otherNamesrvKeys, client: [] }

interface Names {
  /** Every spelling of the keys of the table. */
  readonly keyOf: ReadonlyMap<string, string>
  /** Why a key of Apache's that is not in the table has no effect. */
  readonly otherReasons: ReadonlyMap<string, string>
}

const namesOf: Readonly<Record<SectionName, Names>> = { broker: namesIn('broker'), namesrv: namesIn('namesrv'), client: namesIn('client') }

function namesIn (section: SectionName): Names {
  const keyOf = Object.entries<Key<any>>(keyTables[section]).flatMap(([name, { aliases }]) => [name, ...aliases].map((spelling) => [spelling, name] as const))
  const otherReasons = otherKeys[section].flatMap(([reason, names]) => names.split(/\s+/).map((name) => [name, reason] as const))
  return { keyOf: new Map(keyOf), otherReasons: new Map(otherReasons) }
}

/** The key of the table that is written so, by its name or another spelling. */
export function keyWrittenAs<Section extends SectionName> (section: Section, spelling: string): KeyOf<Section> | undefined {
  return namesOf[section].keyOf.get(spelling) as KeyOf<Section> | undefined
}

/** Why a key of Apache's has no effect, when it is not in the table. */
export function otherReason (section: SectionName, spelling: string): string | undefined {
  return namesOf[section].otherReasons.get(spelling)
}

/** All that is known in a section, however written. */
export function * spellingsIn (section: SectionName): Generator<string> {
  yield * namesOf[section].keyOf.keys()
  yield * namesOf[section].otherReasons.keys()
}

/** Keys that take effect: whoever runs the section honours each. */
export function effectiveKeys<Section extends SectionName> (section: Section): Array<KeyOf<Section>> {
  const table: KeyTable = keyTables[section]
  return Object.keys(table).filter((name) => reasonOf(table[name]!) === undefined) as Array<KeyOf<Section>>
}
