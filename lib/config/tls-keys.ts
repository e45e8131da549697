import { key } from './key.ts'
import { LATER } from './reasons.ts'
import { boolean, oneOf, path, text } from './value-type.ts'

/** Of servers; Apache takes them from a file of their own, here they may stand in either. */
export const tlsKeys = {
  'tls.config.file': key(path, '', 'a file with further tls keys'),
  'tls.server.mode': key(oneOf('disabled', 'permissive', 'enforcing'), 'permissive', 'whether encrypted connections are taken, or only they'),
  'tls.test.mode.enable': key(boolean, true, 'without a certificate of its own the server makes one up, which nobody can verify'),
  'tls.server.certPath': key(path, '', 'certificate chain, PEM'),
  'tls.server.keyPath': key(path, '', 'private key, PEM'),
  'tls.server.keyPassword': key(text, '', 'password of the private key', { isSecret: true }),
  'tls.server.trustCertPath': key(path, '', 'certificates that those of clients are verified with'),
  'tls.server.need.client.auth': key(oneOf('none', 'optional', 'require'), 'none', 'whether clients present a certificate'),
  'tls.server.authClient': key(boolean, false, 'a certificate that a client presents is verified'),
  'tls.enable': key(boolean, false, 'encrypt connections to name servers', { later: LATER.CLIENT_TLS }),
  'tls.client.certPath': key(path, '', 'own certificate for connections to name servers', { later: LATER.CLIENT_TLS }),
  'tls.client.keyPath': key(path, '', 'private key of that certificate', { later: LATER.CLIENT_TLS }),
  'tls.client.keyPassword': key(text, '', 'password of that private key', { later: LATER.CLIENT_TLS, isSecret: true }),
  'tls.client.authServer': key(boolean, false, 'verify certificates of name servers', { later: LATER.CLIENT_TLS }),
  'tls.client.trustCertPath': key(path, '', 'certificates that those of name servers are verified with', { later: LATER.CLIENT_TLS })
}
