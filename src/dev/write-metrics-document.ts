import { writeFile } from 'node:fs/promises'
import { renderMetricsDocument } from './metrics-document.ts'

/** `npm run docs:metrics` */
await writeFile('docs/metrics.md', renderMetricsDocument())
