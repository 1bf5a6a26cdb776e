import { careless } from './careless.js'
import { wellBehaved } from './well-behaved.js'

export default [wellBehaved, ...careless]
