import t from 'tap'
import { effectiveKeys, keyTables, otherKeys, reasonOf, type KeyTable, type SectionName } from '../../lib/config/index.ts'

const sections = Object.keys(keyTables) as SectionName[]

for (const section of sections) {
  const table: KeyTable = keyTables[section]
  const others = otherKeys[section].flatMap(([, names]) => names.split(/\s+/))

  t.test(`${section}: every spelling means one thing`, async (t) => {
    const spellings = [...Object.entries(table).flatMap(([name, { aliases }]) => [name, ...aliases]), ...others]
    t.same(spellings.filter((spelling, at) => spellings.indexOf(spelling) !== at), [])
    for (const spelling of spellings) t.match(spelling, /^[a-zA-Z][a-zA-Z0-9.]*$/)
  })

  t.test(`${section}: every default is an allowed value and survives being written`, async (t) => {
    for (const [name, { type, default: value, refusal }] of Object.entries(table)) {
      t.same(type.parse(type.format(value)), value, name)
      t.equal(refusal(value), undefined, name)
    }
  })

  t.test(`${section}: what can be changed while running has an effect`, async (t) => {
    for (const [name, definition] of Object.entries(table)) if (definition.isChangeable) t.equal(reasonOf(definition), undefined, name)
  })
}

t.test('effective keys', async (t) => {
  t.ok(effectiveKeys('broker').includes('flushDiskType'))
  t.ok(effectiveKeys('broker').includes('dLegerPeers'))
  t.notOk(effectiveKeys('broker').includes('haListenPort'))
  t.same(effectiveKeys('client'), [], 'there is no client yet')
})
