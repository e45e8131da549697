import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { ScenarioRunner } from './scenario-runner.ts'

/**
 * scenarios/*.txt: blocks of commands, `----`, what must happen. `REWRITE=1` writes what does happen instead; review
 * the difference by the rules of raft. ONLY=name runs one file.
 */
const directory = fileURLToPath(new URL('scenarios/', import.meta.url))
const isRewriting = process.env.REWRITE === '1'

interface Block {
  /** The comment before it, and its commands, as they stand in the file. */
  readonly head: string[]
  readonly expected: string
}

function parse (text: string): { readonly blocks: Block[], readonly rest: string[] } {
  const blocks: Block[] = []
  let head: string[] = []
  const lines = text.split('\n')
  for (let i = 0; i < lines.length; i++) {
    if (lines[i] !== '----') {
      head.push(lines[i]!)
      continue
    }
    const expected: string[] = []
    while (i + 1 < lines.length && lines[i + 1] !== '') expected.push(lines[++i]!)
    blocks.push({ head, expected: expected.join('\n') })
    head = []
  }
  return { blocks, rest: head }
}

function commandsOf ({ head }: Block): string[] {
  return head.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'))
}

for (const name of readdirSync(directory).filter((file) => file.endsWith('.txt')).sort()) {
  if (process.env.ONLY !== undefined && !name.startsWith(process.env.ONLY)) continue
  t.test(name, (t) => {
    const { blocks, rest } = parse(readFileSync(directory + name, 'utf8'))
    const runner = new ScenarioRunner()
    const written: string[] = []
    for (const block of blocks) {
      const actual = runner.run(commandsOf(block))
      written.push(...block.head, '----', ...actual.split('\n'))
      if (!isRewriting) t.equal(actual, block.expected, commandsOf(block).join('; '))
      t.notMatch(actual, /UNSAFE|not durable|no such/)
    }
    if (isRewriting) writeFileSync(directory + name, [...written, ...rest].join('\n'))
    t.end()
  })
}

t.test('every scenario named in docs/divergence.md is there, and every etcd one is named', (t) => {
  const text = readFileSync(new URL('../../docs/divergence.md', import.meta.url), 'utf8')
  const named = new Set(text.match(/\b(?:etcd|aba)-[a-z0-9-]+(?= \||,|:|\n)/g))
  const files = readdirSync(directory).map((file) => file.replace(/\.txt$/, ''))
  for (const name of named) if (name !== 'etcd-io') t.ok(files.includes(name), name)
  for (const file of files.filter((name) => name.startsWith('etcd-'))) t.ok(text.includes(file), file)
  t.end()
})
