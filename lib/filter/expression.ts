/** What an expression says of one message. `unknown`: SQL's null. `failed`: what is compared cannot be; the message does not match then. */
export const Truth = { false: 0, true: 1, unknown: 2, failed: 3 } as const
export type Truth = typeof Truth[keyof typeof Truth]

export type Order = '<' | '<=' | '>' | '>='

/** What is compared. `isLiteral`: as it was written, not computed by a sign. */
export type Operand =
  | { readonly kind: 'property', readonly slot: number }
  | { readonly kind: 'string', readonly value: string }
  | { readonly kind: 'long', readonly value: bigint, readonly isLiteral: boolean }
  | { readonly kind: 'double', readonly value: number, readonly isLiteral: boolean }
  /** A sign before what is no number. */
  | { readonly kind: 'nothing' }
  | Condition

/** What is true, false or unknown. */
export type Condition =
  | { readonly kind: 'literal', readonly value: boolean | null }
  /** A property by itself: never true, as it is a text. */
  | { readonly kind: 'cast', readonly slot: number }
  | { readonly kind: 'not', readonly of: Condition }
  | { readonly kind: 'and' | 'or', readonly of: readonly Condition[] }
  | { readonly kind: 'equal', readonly left: Operand, readonly right: Operand }
  | { readonly kind: 'order', readonly order: Order, readonly left: Operand, readonly right: Operand }
  | { readonly kind: 'in', readonly slot: number, readonly values: readonly string[], readonly isNegated: boolean }
  | { readonly kind: 'contains' | 'startsWith' | 'endsWith', readonly of: Operand, readonly text: string, readonly isNegated: boolean }

export function isCondition (operand: Operand): operand is Condition {
  switch (operand.kind) {
    case 'property': case 'string': case 'long': case 'double': case 'nothing': return false
    default: return true
  }
}
