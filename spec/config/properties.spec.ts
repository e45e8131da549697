import fc from 'fast-check'
import t from 'tap'
import { isMqError } from '../../lib/base/index.ts'
import { effectiveConfig, formatProperties, parseProperties, planUpdate, updateProperties } from '../../lib/config/index.ts'

const parsed = (text: Uint8Array | string): string[] => parseProperties(text, 'f').map(({ key, value, line }) => `${line} ${key}|${value}`)

t.test('what java.util.Properties reads is read alike', async (t) => {
  const cases: ReadonlyArray<readonly [string, readonly string[]]> = [
    ['a=1\nb:2\nc 3\nd\t=\t4\ne', ['1 a|1', '2 b|2', '3 c|3', '4 d|4', '5 e|']],
    ['# x=1\n  ! y=2\n\n \t\nz = 3', ['5 z|3']],
    ['a=1\r\nb=2\rc=3\n', ['1 a|1', '2 b|2', '3 c|3']],
    ['a = b = c:d', ['1 a|b = c:d']],
    ['a==x', ['1 a|=x']],
    ['fruits = apple, \\\n   pear, \\\r\n\tplum\nlast=1', ['1 fruits|apple, pear, plum', '4 last|1']],
    ['a\\\n  b=1', ['1 ab|1']],
    ['a=1\\\\\nb=2', ['1 a|1\\', '2 b|2']],
    ['a=1\\\n# no comment\nb=2', ['1 a|1# no comment', '3 b|2']],
    ['# a comment is not continued \\\nb=2', ['2 b|2']],
    ['\\\n# a comment all the same\nb=2', ['3 b|2']],
    ['a\\ b\\=c\\:d=1', ['1 a b=c:d|1']],
    ['a=\\u4e2d\\u6587\\t\\q', ['1 a|中文\tq']],
    ['a=1\\', ['1 a|1']],
    ['=1', ['1 |1']],
    ['', []]
  ]
  for (const [text, expected] of cases) t.same(parsed(text), expected, JSON.stringify(text))
})

t.test('bytes are UTF-8, with or without a mark at the beginning', async (t) => {
  t.same(parsed(Buffer.from('\uFEFF# 监听端口\nbrokerName=代理-甲\n')), ['2 brokerName|代理-甲'])
  t.same(parsed('\uFEFFa=1'), ['1 a|1'])
  const gbk = Buffer.concat([Buffer.from('# '), Buffer.from([0xbc, 0xe0, 0xcc, 0xfd]), Buffer.from('\nlistenPort=9876\n')])
  t.same(parsed(gbk), ['2 listenPort|9876'], 'a comment may be in any encoding')
  t.throws(() => parsed(Buffer.from([0x61, 0x3d, 0xbc, 0xe0])), { code: 'MQ_INVALID_ARGUMENT', message: 'f:1: is not UTF-8' })
})

t.test('what is malformed or too much is refused by line', async (t) => {
  for (const escape of ['\\u12', '\\u12g4', '\\u']) t.throws(() => parsed(`a=1\nb=${escape}\n`), { code: 'MQ_INVALID_ARGUMENT', message: /^f:2: .*four hexadecimal/ })
  t.throws(() => parsed('a=1\n'.repeat(5000)), { code: 'MQ_INVALID_ARGUMENT', message: /^f:4097: more than 4096 settings/ })
  t.throws(() => parsed('#'.repeat(2 ** 20 + 1)), { code: 'MQ_INVALID_ARGUMENT', message: /^f: is longer than/ })
  t.equal(parsed('k'.repeat(2 ** 20)).length, 1)
  t.equal(parsed('a=\\\n'.repeat(2 ** 18)).length, 1)
})

t.test('what is written is read back, and is ASCII', async (t) => {
  const key = fc.string({ unit: 'binary', minLength: 1 })
  const value = fc.string({ unit: 'binary' }).filter((text) => text === text.trimEnd())
  fc.assert(fc.property(fc.array(fc.tuple(key, value)), (entries) => {
    const text = formatProperties(entries)
    t.notMatch(text, /[^\x20-\x7e\n]/)
    t.same(parseProperties(text, 'f').map((property) => [property.key, property.value]), entries)
  }))
})

t.test('an update leaves comments, order and other lines as they are', async (t) => {
  const text = '# 端口\r\nlistenPort = 10911   \r\n\r\n! more\r\nbrokerName:a\\\r\n   b\r\nflag\r\nother = x'
  const updated = updateProperties(text, 'f', new Map([['listenPort', '1'], ['brokerName', '= c:\\d'], ['flag', 'true'], ['fresh', 'é']]), (name) => name)
  t.equal(updated, '# 端口\r\nlistenPort = 1\r\n\r\n! more\r\nbrokerName:\\= c:\\\\d\r\nflag=true\r\nother = x\r\nfresh=\\u00e9\r\n')
  t.same(parsed(updated), ['2 listenPort|1', '5 brokerName|= c:\\d', '6 flag|true', '7 other|x', '8 fresh|é'])
  t.equal(updateProperties('a=1\nA 2\nb=3', 'f', new Map([['a', '9']]), (name) => name.toLowerCase()), 'a=9\nA 9\nb=3', 'under every spelling')
  t.equal(updateProperties('', 'f', new Map([['a', '1']]), (name) => name), 'a=1\n')
  t.equal(updateProperties('a=\\\n\nb=1', 'f', new Map([['a', 'x']]), (name) => name), 'a=\\\nx\nb=1')
})

t.test('an update changes what it names and nothing else', async (t) => {
  const piece = fc.constantFrom('a', 'b', 'k', '=', ':', ' ', '\t', '\\', '\\', '\n', '\r\n', '\r', '#', '!', '中')
  const texts = fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join('') + '\nlast=1')
  fc.assert(fc.property(texts, fc.constantFrom('a', 'b', 'last', 'fresh'), fc.string().filter((text) => text === text.trimEnd()), (text, key, value) => {
    const before = parseProperties(text, 'f').map((property) => [property.key, property.key === key ? value : property.value])
    if (!before.some(([name]) => name === key)) before.push([key, value])
    const after = parseProperties(updateProperties(text, 'f', new Map([[key, value]]), (name) => name), 'f')
    t.same(after.map((property) => [property.key, property.value]), before, JSON.stringify({ text, key, value }))
  }), { numRuns: 500 })
})

t.test('whatever the bytes, nothing but the error of configurations comes out', async (t) => {
  const config = effectiveConfig('broker', {})
  const words = ['listenPort', 'dLederPeers', 'namesrvAddr', 'messageDelayLevel', 'constructor', '__proto__', 'toString', '=', ':', '\\u', '\\', '\n', 'n0@', '1', '-', 'true', ';']
  const contents = fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.array(fc.constantFrom(...words), { maxLength: 30 }).map((parts) => Buffer.from(parts.join(''))))
  fc.assert(fc.property(contents, (content) => {
    for (const read of [() => effectiveConfig('broker', { files: [{ name: 'f', content }] }), () => planUpdate(config, content), () => parseProperties(content, 'f')]) {
      try {
        read()
      } catch (error) {
        if (!isMqError(error, 'MQ_INVALID_ARGUMENT')) throw error
      }
    }
  }), { numRuns: 2000 })
})
