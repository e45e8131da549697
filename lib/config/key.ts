import type { ValueType } from './value-type.ts'

/** What a key does here. `later`: nothing yet; `ignored`: nothing, and it will stay so. The reason goes on from "no effect: ". */
export type Status = 'effective' | { readonly later: string } | { readonly ignored: string }

export interface Key<T> {
  readonly type: ValueType<T>
  readonly default: T
  /** What the default says in tables when it is empty because it depends on the machine. */
  readonly defaultText: string
  /** One line, for tables. */
  readonly description: string
  /** Other spellings that are read as this key. */
  readonly aliases: readonly string[]
  readonly status: Status
  /** An update at run time takes effect at once. */
  readonly isChangeable: boolean
  /** Never printed. */
  readonly isSecret: boolean
  /** The environment variable that gives it. */
  readonly env: string | undefined
  /** What there is to say of a value that is allowed. */
  readonly note: (value: T) => string | undefined
  /** Why a value is refused that would otherwise be allowed. */
  readonly refusal: (value: T) => string | undefined
}

interface KeyOptions<T> extends Partial<Omit<Key<T>, 'type' | 'default' | 'description' | 'status'>> {
  readonly later?: string
  readonly ignored?: string
}

export function key<T> (type: ValueType<T>, fallback: NoInfer<T>, description: string, options: KeyOptions<NoInfer<T>> = {}): Key<T> {
  const { later, ignored, ...rest } = options
  const status = later !== undefined ? { later } : ignored !== undefined ? { ignored } : 'effective'
  return {
    type,
    default: fallback,
    defaultText: type.format(fallback),
    description,
    aliases: [],
    status,
    isChangeable: false,
    isSecret: false,
    env: undefined,
    note: () => undefined,
    refusal: () => undefined,
    ...rest
  }
}

/** Why the key has no effect, or undefined when it has one. */
export function reasonOf ({ status }: Pick<Key<any>, 'status'>): string | undefined {
  return status === 'effective' ? undefined : 'later' in status ? status.later : status.ignored
}

export type KeyTable = Readonly<Record<string, Key<any>>>
/** The values of a table of keys, typed. */
export type ValuesOf<Table extends KeyTable> = { readonly [Name in keyof Table]: Table[Name] extends Key<infer T> ? T : never }
