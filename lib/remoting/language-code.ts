/**
 * The language a peer is written in: a name in JSON headers, a byte in binary ones.
 * @see RocketMQ LanguageCode
 */
export const LanguageCode = {
  JAVA: 0,
  CPP: 1,
  DOTNET: 2,
  PYTHON: 3,
  DELPHI: 4,
  ERLANG: 5,
  RUBY: 6,
  OTHER: 7,
  HTTP: 8,
  GO: 9,
  PHP: 10,
  OMS: 11,
  RUST: 12,
  NODE_JS: 13
} as const

export type LanguageCode = typeof LanguageCode[keyof typeof LanguageCode]

const names = Object.keys(LanguageCode) as Array<keyof typeof LanguageCode>

/** Languages this table does not know are OTHER. */
export function languageOfByte (code: number): LanguageCode {
  return code < names.length ? code as LanguageCode : LanguageCode.OTHER
}

export function languageOfName (name: string): LanguageCode {
  return Object.hasOwn(LanguageCode, name) ? LanguageCode[name as keyof typeof LanguageCode] : LanguageCode.OTHER
}

export function languageName (language: LanguageCode): string {
  return names[language]!
}
