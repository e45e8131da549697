export { SqlFilter } from './sql-filter.ts'
export { FilterSyntaxError } from './syntax-error.ts'
export { filterLimits, type FilterLimits } from './parser.ts'
export { Truth } from './expression.ts'
