import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { errorCatalogue } from '../../lib/base/index.ts'
import { filesBelow, root, textOf } from './sources.ts'

/** The table of README.md's section "Errors", as it must stand there. `REWRITE=1` puts it there. */
function table (): string[] {
  return [
    '| code | outcome | try again | meaning |',
    '| --- | --- | --- | --- |',
    ...Object.entries(errorCatalogue).map(([code, { outcome, retryable, meaning }]) =>
      `| \`${code}\` | ${outcome} | ${retryable ? 'yes' : 'no'} | ${meaning} |`)
  ]
}

t.test('README.md lists the catalogue, all of it and nothing else', async (t) => {
  const lines = textOf('README.md').split('\n')
  const from = lines.findIndex((line) => line.startsWith('| code |'))
  const to = lines.findIndex((line, at) => at > from && !line.startsWith('|'))
  if (process.env.REWRITE === '1') {
    lines.splice(from, to - from, ...table())
    writeFileSync(join(root, 'README.md'), lines.join('\n'))
    return
  }
  t.same(lines.slice(from, to), table(), 'run with REWRITE=1 to renew the table')
})

t.test('every code of the catalogue is thrown somewhere, and no other is', async (t) => {
  const mentioned = new Set(filesBelow('lib').filter((file) => file !== 'lib/base/errors.ts').flatMap((file) => textOf(file).match(/\bMQ_[A-Z_]+\b/g) ?? []))
  for (const code of mentioned) t.ok(code in errorCatalogue, `${code} is in the catalogue`)
})
