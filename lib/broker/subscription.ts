import { FilterSyntaxError, SqlFilter } from '../filter/index.ts'
import { jsonArray, jsonBoolean, jsonInt, jsonLong, jsonMap, jsonText, tagsCodeOf, type JsonFields, type JsonValue } from '../message/index.ts'

export const TAG = 'TAG'
export const SQL92 = 'SQL92'
const ALL = '*'

/** What a consumer wants of a topic. @see RocketMQ SubscriptionData */
export interface Subscription {
  readonly topic: string
  readonly expressionType: string
  readonly subString: string
  /** When the consumer subscribed; the later one of two counts. */
  readonly subVersion: number | bigint
  readonly classFilterMode: boolean
  readonly tagsSet: readonly string[]
  readonly codeSet: readonly number[]
  /** What `subString` lets through, as the consume queue knows it. Undefined: everything. */
  readonly tagsCodes: ReadonlySet<number> | undefined
}

/** An expression that says nothing. */
export class SubscriptionSyntaxError extends Error {}

/**
 * Codes of the tags in `a || b`; undefined for everything.
 * @throws SubscriptionSyntaxError nothing but separators
 * @see RocketMQ FilterAPI.buildSubscriptionData
 */
export function tagsCodesOf (expression: string | undefined): ReadonlySet<number> | undefined {
  if (expression === undefined || expression === '' || expression === ALL) return undefined
  const tags = tagsOf(expression)
  if (tags.length === 0) throw new SubscriptionSyntaxError(`the subscription names no tag: ${JSON.stringify(expression.slice(0, 100))}`)
  return new Set(tags.map(tagsCodeOf))
}

function tagsOf (expression: string): string[] {
  return expression.split('||').map((tag) => tag.trim()).filter((tag) => tag !== '')
}

/** Undefined when it names no topic. What lets nothing through counts as everything: the consumer looks itself. */
export function readSubscription (value: JsonValue | undefined): Subscription | undefined {
  const map = jsonMap(value)
  const topic = jsonText(map?.get('topic'))
  if (map === undefined || topic === undefined || topic === '') return undefined
  const expressionType = jsonText(map.get('expressionType')) ?? TAG
  const subString = jsonText(map.get('subString')) ?? ALL
  return {
    topic,
    expressionType,
    subString,
    subVersion: jsonLong(map.get('subVersion')) ?? 0,
    classFilterMode: jsonBoolean(map.get('classFilterMode')) ?? false,
    tagsSet: (jsonArray(map.get('tagsSet')) ?? []).map(jsonText).filter((tag) => tag !== undefined),
    codeSet: (jsonArray(map.get('codeSet')) ?? []).map(jsonInt).filter((code) => code !== undefined),
    tagsCodes: expressionType === TAG && tagsOf(subString).length > 0 ? tagsCodesOf(subString) : undefined
  }
}

export function subscriptionFields ({ tagsCodes, ...fields }: Subscription): JsonFields {
  return fields
}

/** What lets messages through: tag codes, or a filter of their properties; neither: everything. */
export interface Wanted {
  readonly tagsCodes?: ReadonlySet<number> | undefined
  readonly filter?: SqlFilter | undefined
}

const MAX_REMEMBERED = 4096
const MAX_REMEMBERED_CHARACTERS = 1024
/** Of SQL92 expressions, which take more memory when compiled. */
const MAX_COMPILED_CHARACTERS = 1024 * 1024

/** Expressions that come with every pull are read once. */
export class Expressions {
  readonly #tags = new Map<string, ReadonlySet<number> | undefined>()
  readonly #filters = new Map<string, SqlFilter | SubscriptionSyntaxError>()
  #filterCharacters = 0

  /** @throws SubscriptionSyntaxError */
  wantedBy (expressionType: string, expression: string | undefined): Wanted {
    if (expressionType === TAG) return { tagsCodes: this.#tagsCodesOf(expression) }
    if (expressionType === SQL92) return { filter: this.#filterOf(expression ?? '') }
    throw new SubscriptionSyntaxError(`there is no filter of type ${JSON.stringify(expressionType.slice(0, 100))}, but TAG and SQL92`)
  }

  #tagsCodesOf (expression: string | undefined): ReadonlySet<number> | undefined {
    if (expression === undefined || expression === ALL || expression === '') return undefined
    const known = this.#tags.get(expression)
    if (known !== undefined) return known
    const tagsCodes = tagsCodesOf(expression)
    if (this.#tags.size >= MAX_REMEMBERED) this.#tags.clear()
    if (expression.length <= MAX_REMEMBERED_CHARACTERS) this.#tags.set(expression, tagsCodes)
    return tagsCodes
  }

  #filterOf (expression: string): SqlFilter {
    let known = this.#filters.get(expression)
    if (known === undefined) {
      known = compiled(expression)
      this.#filterCharacters += MAX_REMEMBERED_CHARACTERS + expression.length
      if (this.#filterCharacters > MAX_COMPILED_CHARACTERS) {
        this.#filters.clear()
        this.#filterCharacters = MAX_REMEMBERED_CHARACTERS + expression.length
      }
      this.#filters.set(expression, known)
    }
    if (known instanceof SubscriptionSyntaxError) throw known
    return known
  }
}

/** Invalid ones are remembered too: whoever uses one asks again and again. */
function compiled (expression: string): SqlFilter | SubscriptionSyntaxError {
  try {
    return new SqlFilter(expression)
  } catch (error) {
    if (error instanceof FilterSyntaxError) return new SubscriptionSyntaxError(error.message)
    throw error
  }
}
