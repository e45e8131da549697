import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { keyTables, otherKeys, reasonOf, type Key, type KeyTable, type SectionName } from '../../lib/config/index.ts'
import { root, textOf } from '../rules/sources.ts'

const PAGE = 'docs/configuration.md'
/** What stands above is written by hand. */
const MARK = '<!-- from here on made from the tables in lib/config: REWRITE=1 npm run spec spec/config/documentation.spec.ts -->'

const titles: Readonly<Record<SectionName, string>> = { broker: 'Broker', namesrv: 'Name server', client: 'Producers and consumers' }

function spellings (name: string, { aliases }: Key<any>): string {
  const also = aliases.length === 0 ? '' : ` (also ${aliases.map((alias) => `\`${alias}\``).join(', ')})`
  return `\`${name}\`${also}`
}

function defaultOf ({ defaultText }: Key<any>): string {
  return defaultText === '' ? '' : `\`${defaultText}\``
}

function section (name: SectionName): string[] {
  const keys = Object.entries(keyTables[name] as KeyTable)
  const effective = keys.filter(([, definition]) => reasonOf(definition) === undefined)
  const idle = keys.filter(([, definition]) => reasonOf(definition) !== undefined)
  const others = new Map<string, string[]>()
  for (const [reason, names] of otherKeys[name]) others.set(reason, [...others.get(reason) ?? [], ...names.split(/\s+/)])
  return [
    '', `## ${titles[name]}`,
    ...effective.length === 0
      ? []
      : ['', '| key | what it does | values | default | while running |', '| --- | --- | --- | --- | --- |',
          ...effective.map(([key, definition]) => `| ${spellings(key, definition)} | ${definition.description} | ${definition.type.allowed} | ${defaultOf(definition)} | ${definition.isChangeable ? 'yes' : ''} |`)],
    '', 'Read and checked, but without effect:', '', '| key | what it stands for | default | why it has no effect |', '| --- | --- | --- | --- |',
    ...idle.map(([key, definition]) => `| ${spellings(key, definition)} | ${definition.description} | ${defaultOf(definition)} | ${reasonOf(definition)} |`),
    ...others.size === 0 ? [] : ['', 'Other keys of Apache\'s code, known and without effect:', ''],
    ...[...others].map(([reason, names]) => `- ${reason}: ${names.sort().map((other) => `\`${other}\``).join(' ')}`)
  ]
}

t.test('docs/configuration.md lists every key, as it is in the tables', async (t) => {
  const [head] = textOf(PAGE).split(MARK)
  const page = [head + MARK, ...(Object.keys(keyTables) as SectionName[]).flatMap(section), ''].join('\n')
  if (process.env.REWRITE === '1') {
    writeFileSync(join(root, PAGE), page)
    return
  }
  t.equal(textOf(PAGE), page, 'run with REWRITE=1 to renew the page')
})
