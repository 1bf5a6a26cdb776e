import { careless } from './careless.js'
import { outsideWrite } from './outside-write.js'

export default [outsideWrite, ...careless]
