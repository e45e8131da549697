import fc from 'fast-check'
import t from 'tap'
import { encodeProperties } from '../../lib/message/index.ts'
import { FilterSyntaxError, SqlFilter, Truth } from '../../lib/filter/index.ts'
import { naiveTruth, textOf, type Tree } from './naive-sql.ts'

const names = ['a', 'b', 'ab', 'TAGS', '$x_1']
const texts = ['', 'x', 'xx', 'xyx', 'true', 'FALSE', '茶', 'it\'s', '5', '05', '-5', '5.0', '1e1', '.5', '5.', ' 7 ', 'NaN', '-Infinity', '-0.0', '0', '9007199254740993', '9223372036854775807', '-9223372036854775808', '9223372036854775808', '1.5f', '1.', '.', 'e5', '1e', '+', '--1', '00000000000000000000001']

const name = fc.constantFrom(...names)
const text = fc.oneof(fc.constantFrom(...texts), fc.string({ maxLength: 4, unit: fc.constantFrom('x', 'y', '5', '.', '-', ' ', '茶') }))
const property = name.map((of): Tree => ({ kind: 'property', name: of }))
const number: fc.Arbitrary<Tree> = fc.oneof(
  fc.constantFrom('0', '5', '10', '9007199254740992', '9007199254740993', '9223372036854775807').map((digits): Tree => ({ kind: 'long', digits })),
  fc.constantFrom('5.0', '.5', '1e1', '7.', '9007199254740993.0').map((of): Tree => ({ kind: 'double', text: of })))
const string = text.map((value): Tree => ({ kind: 'string', value }))
const minus = (of: fc.Arbitrary<Tree>): fc.Arbitrary<Tree> => of.map((tree): Tree => ({ kind: '-', of: tree }))
const ordered = fc.oneof({ weight: 3, arbitrary: property }, { weight: 3, arbitrary: number }, { weight: 1, arbitrary: minus(fc.oneof(number, property, string)) })

const { condition } = fc.letrec<{ condition: Tree, operand: Tree }>((tie) => ({
  operand: fc.oneof({ depthSize: 'small' }, property, number, string, minus(fc.oneof(number, property)), tie('condition')),
  condition: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({ kind: fc.constantFrom('<', '<=', '>', '>='), left: ordered, right: ordered }),
    fc.record({ kind: fc.constantFrom('IN', 'NOT IN'), name, values: fc.array(text, { minLength: 1, maxLength: 12 }) }),
    fc.record({ kind: fc.constantFrom('BETWEEN', 'NOT BETWEEN'), of: ordered, low: property, high: ordered }),
    fc.record({ kind: fc.constantFrom('CONTAINS', 'STARTSWITH', 'ENDSWITH'), isNegated: fc.boolean(), of: fc.oneof(property, string), text }),
    property,
    fc.constantFrom(true, false, null).map((value): Tree => ({ kind: 'literal', value })),
    fc.record({ kind: fc.constantFrom('=', '<>'), left: tie('operand'), right: tie('operand') }).filter(({ left, right }) => isComparable(left, right)),
    fc.record({ kind: fc.constantFrom('IS NULL', 'IS NOT NULL'), of: tie('operand') }),
    fc.record({ kind: fc.constant('NOT'), of: tie('condition') }),
    fc.record({ kind: fc.constantFrom('AND', 'OR'), left: tie('condition'), right: tie('condition') })
  ) as fc.Arbitrary<Tree>
}))

/** What the parser takes. */
function isComparable (left: Tree, right: Tree): boolean {
  const isNull = (tree: Tree): boolean => tree.kind === 'literal' && tree.value === null
  if (isNull(left) || isNull(right)) return false
  return left.kind !== 'literal' || !['string', 'long', 'double'].includes(right.kind)
}

const blank = fc.constantFrom(' ', '\n', ' /* AND */ ', '\t-- OR\n')
const values = fc.array(fc.tuple(name, text.filter((of) => of !== '')), { maxLength: 8 }).map((pairs) => new Map(pairs))
const encoder = new TextEncoder()
const said = new Map<Truth, boolean | null | 'failed'>([[Truth.true, true], [Truth.false, false], [Truth.unknown, null], [Truth.failed, 'failed']])

t.test('says what a naive twin says, of every expression and message', async (t) => {
  fc.assert(fc.property(condition, values, blank, (tree, properties, space) => {
    const written = textOf(tree, () => space)
    const stored = encoder.encode(encodeProperties(properties))
    const truth = said.get(new SqlFilter(written).evaluate(stored, 0, stored.length))
    if (truth !== naiveTruth(tree, properties)) throw new Error(`${written}: ${String(truth)}, the twin says ${String(naiveTruth(tree, properties))}`)
  }), { numRuns: 1500 })
  t.pass('1,500 expressions')
})

t.test('whatever comes as an expression compiles or is refused with a place in it, and is evaluated on whatever is stored', async (t) => {
  const tokens = ['a', 'b', '1', '1.5', '\'x\'', '\'', '\'\'', '(', ')', ',', '=', '<>', '<', '>=', '-', '+', 'NOT', 'and', 'OR', 'BETWEEN', 'IN', 'IS', 'NULL', 'TRUE', 'CONTAINS', 'STARTSWITH', '/*', '*/', '--', '\n', '.', 'e9', '#', '茶', '\u0000', '\ud800']
  const junk = fc.oneof(fc.array(fc.constantFrom(...tokens), { maxLength: 40 }).map((of) => of.join(' ')), fc.array(fc.constantFrom(...tokens), { maxLength: 40 }).map((of) => of.join('')), fc.string({ unit: 'binary', maxLength: 60 }))
  let compiled = 0
  fc.assert(fc.property(junk, fc.uint8Array({ maxLength: 60 }), (expression, stored) => {
    try {
      new SqlFilter(expression).evaluate(stored, 0, stored.length)
      compiled++
    } catch (error) {
      if (!(error instanceof FilterSyntaxError)) throw error
      if (!(error.position >= 1 && error.position <= expression.length + 1)) throw new Error(`${error.message} is not in ${JSON.stringify(expression)}`)
    }
  }), { numRuns: 700 })
  t.ok(compiled > 5, `${compiled} of 700 compile`)
})
