import { FieldReader } from './field-reader.ts'
import type { RemotingFrame } from './frame.ts'

/** What `encodeCommand` writes as extension fields, in this order, as texts; undefined ones are left out. */
export type ExtFields = Readonly<Record<string, string | number | boolean | undefined>>

export interface Field<Value, Required extends boolean = boolean> {
  readonly read: (reader: FieldReader, bytes: Uint8Array, slot: number) => Value
  readonly isRequired: Required
  /** Only for the type. */
  readonly value?: Value
}

function field<Value> (read: Field<Value>['read']): Field<Value, true> {
  return { read, isRequired: true }
}

/** S, I, L and B of the wire; `optional` around one that may be missing. */
export const text = field((reader, bytes, slot) => reader.text(bytes, slot))
export const int = field((reader, bytes, slot) => reader.int(bytes, slot))
export const long = field((reader, bytes, slot) => reader.long(bytes, slot))
export const bool = field((reader, bytes, slot) => reader.bool(bytes, slot))

export function optional<Value> ({ read }: Field<Value, true>): Field<Value, false> {
  return { read, isRequired: false }
}

export type Fields = Readonly<Record<string, Field<unknown>>>
type ValueOf<One> = One extends Field<infer Value, boolean> ? Value : never
type RequiredNames<All extends Fields> = { [Name in keyof All]: All[Name] extends Field<unknown, true> ? Name : never }[keyof All]

/** The object that stands for a header with these fields. */
export type Header<All extends Fields> =
  { readonly [Name in RequiredNames<All>]: ValueOf<All[Name]> } &
  { readonly [Name in Exclude<keyof All, RequiredNames<All>>]?: ValueOf<All[Name]> | undefined }

export interface HeaderCodec<Value> {
  /** @throws MQ_BAD_FIELD `error.field` is missing or malformed; unknown fields are ignored */
  decode (frame: RemotingFrame): Value
  /** Checks types only; the result is written by `encodeCommand`. */
  encode (header: Value): ExtFields
}

/** The value of a codec's header, as in `HeaderOf<typeof getMaxOffset.request>`. */
export type HeaderOf<Codec> = Codec extends HeaderCodec<infer Value> ? Value : never

export function headerCodec<All extends Fields> (fields: All): HeaderCodec<Header<All>> {
  const names = Object.keys(fields)
  const all = Object.values(fields)
  const reader = new FieldReader(names.map((name) => [name]))
  return {
    decode (frame) {
      reader.open(frame)
      const header: Record<string, unknown> = {}
      for (let slot = 0; slot < all.length; slot++) {
        const { read, isRequired } = all[slot]!
        header[names[slot]!] = isRequired || reader.has(slot) ? read(reader, frame.bytes, slot) : undefined
      }
      return header as Header<All>
    },
    encode: (header) => header as ExtFields
  }
}

/** A request code with the headers of request and response. */
export interface RequestDefinition<Request, Response> {
  readonly code: number
  readonly request: HeaderCodec<Request>
  readonly response: HeaderCodec<Response>
}

export function defineRequest<Request extends Fields = {}, Response extends Fields = {}> (
  code: number, request: Request = {} as Request, response: Response = {} as Response
): RequestDefinition<Header<Request>, Header<Response>> {
  return { code, request: headerCodec(request), response: headerCodec(response) }
}
