import { SqlFilter } from '../../lib/filter/index.ts'
import { encodeProperties } from '../../lib/message/index.ts'
import type { MicroSuite } from './suite.ts'

/** SQL92 expressions on stored properties text. */
export const filters: MicroSuite = async (add) => {
  const stored = new TextEncoder().encode(encodeProperties(new Map([['KEYS', 'order-4711'], ['UNIQ_KEY', '7F0000011A2B18B4AAC2000000000001'], ['WAIT', 'true'], ['TAGS', 'paid'], ['a', '17'], ['b', 'y']])))
  const evaluate = (expression: string): () => boolean => {
    const filter = new SqlFilter(expression)
    return () => filter.matches(stored, 0, stored.length)
  }
  add('a > 5 AND b IN (\'x\', \'y\'), six properties', evaluate('a > 5 AND b IN (\'x\', \'y\')'))
  add('a BETWEEN 1.5 AND 17.5 OR c IS NULL', evaluate('a BETWEEN 1.5 AND 17.5 OR c IS NULL'))
  add('UNIQ_KEY CONTAINS \'18B5\'', evaluate('UNIQ_KEY CONTAINS \'18B5\''))
  const long = new TextEncoder().encode(`p\u0001${'a'.repeat(32_700)}\u0002`)
  const worst = new SqlFilter(Array.from({ length: 32 }, (_, i) => `p CONTAINS '${'a'.repeat(50)}${i}b'`).join(' OR '))
  add('32 CONTAINS, 32 KiB of properties', () => worst.matches(long, 0, long.length))
  add('compile a > 5 AND b IN (\'x\', \'y\')', () => new SqlFilter('a > 5 AND b IN (\'x\', \'y\')'))
}
