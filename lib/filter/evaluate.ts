import type { Truth } from './expression.ts'
import type { PropertyValues } from './property-values.ts'

/** A compiled condition: what it says of the properties that `values` found. */
export type Evaluate = (values: PropertyValues) => Truth
