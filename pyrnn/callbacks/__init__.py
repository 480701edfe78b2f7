"""Callbacks of `Sequential.fit`, as in Keras."""

from ._backup import BackupAndRestore as BackupAndRestore
from ._base import Callback as Callback
from ._base import History as History
from ._base import LambdaCallback as LambdaCallback
from ._guard import DivergenceGuard as DivergenceGuard
from ._guard import TerminateOnNaN as TerminateOnNaN
from ._loggers import CSVLogger as CSVLogger
from ._loggers import JSONLogger as JSONLogger
from ._loggers import TensorBoard as TensorBoard
from ._monitor import EarlyStopping as EarlyStopping
from ._monitor import ModelCheckpoint as ModelCheckpoint
from ._rates import LearningRateScheduler as LearningRateScheduler
from ._rates import ReduceLROnPlateau as ReduceLROnPlateau
