import t from 'tap'
import { encodeProperties } from '../../lib/message/index.ts'
import { filterLimits, FilterSyntaxError, SqlFilter, Truth } from '../../lib/filter/index.ts'

const encoder = new TextEncoder()
const names = new Map<Truth, string>([[Truth.true, 'true'], [Truth.false, 'false'], [Truth.unknown, 'null'], [Truth.failed, 'failed']])

function truthOf (expression: string, properties: Record<string, string> = {}): string {
  const stored = encoder.encode(`before${encodeProperties(new Map(Object.entries(properties)))}behind`)
  return names.get(new SqlFilter(expression).evaluate(stored, 6, stored.length - 6))!
}

function errorOf (expression: string): FilterSyntaxError | undefined {
  try {
    return new SqlFilter(expression) && undefined
  } catch (error) {
    if (error instanceof FilterSyntaxError) return error
    throw error
  }
}

t.test('null logic as RocketMQ has it', async (t) => {
  t.equal(truthOf('x IS NULL'), 'true')
  t.equal(truthOf('x IS NOT NULL'), 'false')
  t.equal(truthOf('x = y'), 'true')
  t.equal(truthOf('x <> 5'), 'null')
  t.equal(truthOf('x <> y', { y: '1' }), 'null')
  t.equal(truthOf('5 = x'), 'false')
  t.equal(truthOf('x NOT IN (\'a\')'), 'null')
  t.equal(truthOf('x IN (\'a\')'), 'null')
  t.equal(truthOf('x CONTAINS \'a\''), 'false')
  t.equal(truthOf('x NOT CONTAINS \'a\''), 'false')
  t.equal(truthOf('NULL IS NULL'), 'true')
  t.equal(truthOf('NULL'), 'null')
  t.equal(truthOf('x AND FALSE'), 'false')
  t.equal(truthOf('x OR TRUE'), 'true')
  t.equal(truthOf('x AND TRUE'), 'null')
  t.equal(truthOf('NOT (x > 1)'), 'null')
  t.equal(truthOf('NOT a IS NULL', { a: '1' }), 'false')
})

t.test('values are read as what they are compared with', async (t) => {
  t.equal(truthOf('a > 1', { a: '1.5' }), 'failed')
  t.equal(truthOf('a = 1', { a: 'abc' }), 'failed')
  t.equal(truthOf('a > 1.0', { a: ' 1.5 ' }), 'true')
  t.equal(truthOf('a = 1', { a: '+01' }), 'true')
  t.equal(truthOf('a = 1.0', { a: '1' }), 'true')
  t.equal(truthOf('a = \'1\'', { a: '01' }), 'false')
  t.equal(truthOf('b = TRUE', { b: 'True' }), 'true')
  t.equal(truthOf('b = FALSE', { b: 'nonsense' }), 'true')
  t.equal(truthOf('b', { b: 'true' }), 'false')
  t.equal(truthOf('-a > 1', { a: '5' }), 'null')
  t.equal(truthOf('a > -1', { a: '-0' }), 'true')
  t.equal(truthOf('a < b', { a: '9', b: '10' }), 'true')
  t.equal(truthOf('a < b', { a: 'x', b: '10' }), 'failed')
  t.equal(truthOf('a = b', { a: '1', b: '1.0' }), 'false')
  t.equal(truthOf('a > 9223372036854775806', { a: '9223372036854775807' }), 'true')
  t.equal(truthOf('a > 9223372036854775806', { a: '9223372036854775806' }), 'false')
  t.equal(truthOf('a > 1', { a: '9223372036854775808' }), 'failed')
  t.equal(truthOf('a > 1', { a: '1700000000000' }), 'true', 'integers of more than 32 bits too')
  t.equal(truthOf('a > 1.5', { a: 'NaN' }), 'true')
  t.equal(truthOf('1 = TRUE'), 'false')
  t.equal(truthOf('TRUE = a', { a: 'true' }), 'failed')
})

t.test('what cannot be compared decides, unless something before it did', async (t) => {
  t.equal(truthOf('a > 1 OR b = 2', { a: 'x', b: '2' }), 'failed')
  t.equal(truthOf('b = 2 OR a > 1', { a: 'x', b: '2' }), 'true')
  t.equal(truthOf('b = 3 AND a > 1', { a: 'x', b: '2' }), 'false')
  t.equal(truthOf('NOT (a > 1)', { a: 'x' }), 'failed')
})

t.test('texts, lists and ranges', async (t) => {
  const ten = '\'a\', \'b\', \'c\', \'d\', \'e\', \'f\', \'g\', \'h\', \'i\', \'茶\''
  t.equal(truthOf(`a IN (${ten})`, { a: '茶' }), 'true')
  t.equal(truthOf(`a NOT IN (${ten})`, { a: 'aa' }), 'true')
  t.equal(truthOf('a = \'it\'\'s\'', { a: 'it\'s' }), 'true')
  t.equal(truthOf('a CONTAINS \'aab\'', { a: 'aaaab' }), 'true')
  t.equal(truthOf('a contains \'\'', { a: 'x' }), 'false')
  t.equal(truthOf('a STARTSWITH \'绿\' AND a ENDSWITH \'茶\'', { a: '绿茶' }), 'true')
  t.equal(truthOf('a NOT ENDSWITH \'long\'', { a: 'ng' }), 'true')
  t.equal(truthOf('a BETWEEN 1 AND 3', { a: '3' }), 'true')
  t.equal(truthOf('a NOT BETWEEN 1 AND 3', { a: '3' }), 'false')
  t.equal(truthOf('TAGS = \'x\' AND KEYS IS NULL', { TAGS: 'x' }), 'true')
})

t.test('stored properties are read as RocketMQ decodes them', async (t) => {
  const evaluate = (text: string): string => names.get(new SqlFilter('a = \'1\'').evaluate(encoder.encode(text), 0, text.length))!
  t.equal(evaluate('a\u00011\u0002'), 'true')
  t.equal(evaluate('a\u00011'), 'true', 'without the last separator')
  t.equal(evaluate('aa\u00011\u0002xa\u00011\u0002'), 'null', 'other names')
  t.equal(evaluate('a\u00012\u0002a\u00011\u0002'), 'true', 'the last of one name')
  t.equal(evaluate('a\u00011\u0002a\u0001\u0002a\u0002'), 'true', 'not the ones without a value')
  t.equal(evaluate('b\u0001a\u00011\u0002'), 'null', 'not within a value')
})

t.test('grammar: blanks, comments, case, and what follows the end', async (t) => {
  t.equal(truthOf('/* * ** / */ a\n> -- one\n 1 /**/ anD\tb iS nOt NuLl', { a: '2', b: 'x' }), 'true')
  t.equal(truthOf('A IS NULL', { a: '2' }), 'true', 'names have a case')
  for (const expression of ['a > 3 garbage', 'a > 3 garbage #', 'a LIKE \'5\'', 'a + 1 > 3', 'a > 0x1', 'a > 010', 'a > 3 --', '$_a9 = 1l', 'a = .5e-3', 'a = 5. OR b']) t.equal(errorOf(expression), undefined, expression)
})

t.test('what is wrong is told, with its place', async (t) => {
  const wrong: ReadonlyArray<readonly [string, number]> = [
    ['NOT x > 1', 1], ['a > \'x\'', 5], ['a > TRUE', 5], ['a > NULL', 5], ['a > 0.0', 5], ['a = NULL', 5], ['TRUE = 1', 8], ['a != 5', 3],
    ['a == 5', 4], ['a.b = 1', 2], ['#', 1], ['a BETWEEN \'x\' AND \'y\'', 11], ['a BETWEEN 5 AND 1', 11], ['a BETWEEN 5', 12], ['', 1], ['  ', 3],
    ['5', 1], ['-a', 1], ['a = \'x', 5], ['a IN ()', 7], ['a IN (1)', 7], ['1 IN (\'a\')', 1], ['a IS 5', 6], ['a NOT 5', 7],
    ['a = 9223372036854775808', 5], ['a = 1e999', 5], ['(a = 1', 7], ['a = 1)) #', -1], ['a = 1 OR', 9], ['a = 1 AND \'x\'', 11], ['a > 3 #', 7],
    ['a > (b > 1)', 6], ['é = 1', 1]
  ]
  for (const [expression, position] of wrong) {
    const error = errorOf(expression)
    if (position < 0) t.equal(error, undefined, `${expression}: what follows is ignored`)
    else t.equal(error?.position, position, `${expression}: ${error?.message ?? 'compiles'}`)
  }
  t.match(errorOf('a BETWEEN 5')?.message, 'invalid SQL92 expression at character 12: AND is expected here, not the end')
})

t.test('expressions are bounded', async (t) => {
  const { maxCharacters, maxDepth, maxTerms, maxSearches } = filterLimits
  t.match(errorOf(`a = '${'x'.repeat(maxCharacters)}'`)?.message, `more than ${maxCharacters} characters`)
  t.match(errorOf('('.repeat(8000))?.message, `more than ${maxDepth} deep`)
  t.match(errorOf('NOT '.repeat(4000) + 'a')?.message, `more than ${maxDepth} deep`)
  t.match(errorOf('-'.repeat(8000) + '1 = 1')?.message, `more than ${maxDepth} deep`)
  t.match(errorOf('a' + ' IS NULL'.repeat(2000))?.message, 'more than')
  t.match(errorOf(Array(maxTerms + 1).fill('a=1').join(' OR '))?.message, `more than ${maxTerms} comparisons`)
  t.match(errorOf(Array(maxTerms + 1).fill('a').join(' OR '))?.message, `more than ${maxTerms} comparisons`)
  t.match(errorOf(Array(maxSearches + 1).fill('a CONTAINS \'x\'').join(' OR '))?.message, `more than ${maxSearches} CONTAINS`)
  t.equal(truthOf(Array(maxTerms).fill('a=1').join(' OR '), { a: '1' }), 'true')
  t.equal(truthOf('('.repeat(maxDepth) + 'a=1' + ')'.repeat(maxDepth), { a: '1' }), 'true')
})

t.test('a number, a search and a list look at a long value once', async (t) => {
  const filter = new SqlFilter(`a > 1.5 OR a > 1 OR a CONTAINS '${'x'.repeat(50)}y' OR a IN ('p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x')`)
  const stored = encoder.encode(`a\u0001${'x'.repeat(32_700)}\u0002`)
  t.ok(filter.costOf(stored.length) >= 4 * stored.length)
  t.equal(filter.evaluate(stored, 0, stored.length), Truth.failed, 'it is no number')
})
