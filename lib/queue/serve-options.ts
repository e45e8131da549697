import { checkKeys, wrongType } from './arguments.ts'

export interface CheckedServeOptions {
  readonly listen: string
  readonly advertise: string | undefined
  readonly groupName: string
  readonly secret: string | undefined
}

/** Addresses are looked into where they are used. @throws TypeError */
export function checkServe (value: unknown): CheckedServeOptions {
  const { listen, advertise, groupName = 'ledgermq', secret } = checkKeys('serve', value, ['listen', 'advertise', 'groupName', 'secret'])
  for (const [name, text] of Object.entries({ listen, advertise, groupName, secret })) {
    if (typeof text !== 'string' && (text !== undefined || name === 'listen')) throw wrongType(`serve.${name}`, 'a string', text)
  }
  return { listen, advertise, groupName, secret } as CheckedServeOptions
}
