const ALLOWED = /^[%|a-zA-Z0-9_-]+$/
const MAX_TOPIC_CHARACTERS = 127
/** Of retry and dead letter topics, which have a group's name and more. */
const MAX_DERIVED_TOPIC_CHARACTERS = 255
const MAX_GROUP_CHARACTERS = 120

export const RETRY_PREFIX = '%RETRY%'
export const DEAD_LETTER_PREFIX = '%DLQ%'

/** Why a topic may not have that name; undefined: it may. @see RocketMQ TopicValidator */
export function topicNameRefusal (topic: string): string | undefined {
  const most = topic.startsWith(RETRY_PREFIX) || topic.startsWith(DEAD_LETTER_PREFIX) ? MAX_DERIVED_TOPIC_CHARACTERS : MAX_TOPIC_CHARACTERS
  return nameRefusal('topic', topic, most)
}

/** Why a group may not have that name; undefined: it may. */
export function groupNameRefusal (group: string): string | undefined {
  return nameRefusal('group', group, MAX_GROUP_CHARACTERS)
}

function nameRefusal (what: string, name: string, most: number): string | undefined {
  if (name === '') return `the name of the ${what} is empty`
  if (name.length > most) return `the name of the ${what} has ${name.length} characters, at most ${most} are allowed`
  return ALLOWED.test(name) ? undefined : `the name of the ${what} may hold letters, digits and % | _ - only: ${JSON.stringify(name)}`
}
