import { basename } from 'node:path'
import t from 'tap'
import { filesBelow } from './sources.ts'

const sources = ['lib', 'spec', 'bench', 'examples', 'scripts'].flatMap((folder) => filesBelow(folder))

t.test('files are named in kebab-case after what they hold', async (t) => {
  for (const file of sources) {
    t.match(basename(file), /^[a-z0-9]+(-[a-z0-9]+)*(\.spec)?\.ts$/, file)
    t.notMatch(basename(file), /^(utils?|helpers?|managers?|misc|common)\.ts$/, file)
  }
})

t.test('a spec stands in spec/ and nowhere else', async (t) => {
  for (const file of sources.filter((name) => name.endsWith('.spec.ts'))) t.match(file, /^spec\//)
})
