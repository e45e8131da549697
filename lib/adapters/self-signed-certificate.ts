import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'

const DAY_MS = 86_400_000

/**
 * A key and a certificate for it, signed by itself, in PEM: P-256, valid from the day before `now` for ten years. Node.js
 * makes keys and signatures but no certificates, so this writes the few structures of one (X.509, RFC 5280, in DER).
 * It proves nothing about who answers: for tests and for clients that only want encryption.
 */
export function selfSignedCertificate (now: Date, commonName = 'ledgermq self-signed'): { cert: string, key: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const ecdsaWithSha256 = sequence(der(0x06, Buffer.from('2a8648ce3d040302', 'hex')))
  const name = sequence(der(0x31, sequence(der(0x06, Buffer.from('550403', 'hex')), der(0x0c, Buffer.from(commonName)))))
  const serial = Buffer.concat([Buffer.of(0x01), randomBytes(15)])
  const facts = sequence(
    der(0xa0, der(0x02, Buffer.of(2))), // version 3
    der(0x02, serial),
    ecdsaWithSha256,
    name, // issuer
    sequence(time(now.getTime() - DAY_MS), time(now.getTime() + 3650 * DAY_MS)),
    name, // subject
    publicKey.export({ type: 'spki', format: 'der' })
  )
  const certificate = sequence(facts, ecdsaWithSha256, der(0x03, Buffer.concat([Buffer.of(0), sign('sha256', facts, privateKey)])))
  const lines = certificate.toString('base64').match(/.{1,64}/g)!.join('\n')
  return { cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }
}

/** Tag, length, content. */
function der (tag: number, content: Buffer): Buffer {
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.of(tag, ...size), content])
}

const sequence = (...parts: Buffer[]): Buffer => der(0x30, Buffer.concat(parts))

/** UTCTime up to 2049, GeneralizedTime from then on: (YY)YYMMDDHHMMSSZ. */
function time (ms: number): Buffer {
  const text = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '')
  return text < '2050' ? der(0x17, Buffer.from(text.slice(2))) : der(0x18, Buffer.from(text))
}
