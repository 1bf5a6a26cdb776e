import { readFileSync } from 'node:fs'
import { Ajv2020, type AnySchemaObject, type ValidateFunction } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'

/** What docs/messages.md tells other services, read out of it: its schemas, examples and the Python program. */
export const messagesDocument = readFileSync('docs/messages.md', 'utf8')

/** A heading, or a block of code as a whole: what begins with # in there is a comment. */
const HEADING_OR_BLOCK = /^(?<heading>#+ [^\n]*)$|^```(?<language>\w+)\n(?<code>.*?)^```$/gms

/** The only block of this language between a heading and the next. */
function blockUnder(wanted: string, wantedLanguage: string): string {
  const found: string[] = []
  let under = ''
  for (const { groups = {} } of messagesDocument.matchAll(HEADING_OR_BLOCK)) {
    const { heading, language, code } = groups
    if (heading !== undefined) under = heading
    else if (under === wanted && language === wantedLanguage) found.push(code ?? '')
  }
  const [only] = found
  if (only === undefined || found.length > 1) {
    throw new Error(
      `docs/messages.md has ${found.length} blocks of ${wantedLanguage} under '${wanted}', not one`,
    )
  }
  return only
}

const jsonUnder = (heading: string): unknown => JSON.parse(blockUnder(heading, 'json'))

export const documentedSchemas = {
  registration: jsonUnder('### Registration message') as AnySchemaObject,
  event: jsonUnder('### Event') as AnySchemaObject,
}

export const documentedExamples = {
  registration: jsonUnder('## Publish a hash'),
  event: jsonUnder('## Receive outcomes'),
}

export const pythonExample = blockUnder('## Python', 'python')

/** What a service finds that checks messages by the documented schemas. */
const ajv = formats.default(new Ajv2020({ allErrors: true }))
const validate: Readonly<Record<keyof typeof documentedSchemas, ValidateFunction>> = {
  registration: ajv.compile(documentedSchemas.registration),
  event: ajv.compile(documentedSchemas.event),
}

/** How a message departs from the document; none if it does not. */
export function departures(schema: keyof typeof documentedSchemas, message: unknown): string[] {
  validate[schema](message)
  return (validate[schema].errors ?? []).map(
    ({ instancePath, message: problem }) => `${instancePath} ${problem ?? 'does not fit'}`,
  )
}
