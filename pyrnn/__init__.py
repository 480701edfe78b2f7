"""pyrnn trains and runs recurrent networks on the CPU, with Keras' names.

>>> import numpy as np
>>> import pyrnn
>>> from pyrnn import layers
>>> model = pyrnn.Sequential([pyrnn.Input((5, 2)), layers.LSTM(4), layers.Dense(1)])
>>> model.compile(optimizer="adam", loss="mse")
>>> history = model.fit(np.zeros((8, 5, 2)), np.zeros(8), verbose=0)
>>> model.predict(np.zeros((3, 5, 2)), verbose=0).shape
(3, 1)
"""

try:
    from ._core import cpu_info as cpu_info
    from ._core import get_num_threads as get_num_threads
    from ._core import set_num_threads as set_num_threads
except ImportError as error:
    raise ImportError(
        f"pyrnn's compiled engine cannot be loaded ({error}); build it with `pip install .` in the checkout"
    ) from error

from . import callbacks as callbacks
from . import initializers as initializers
from . import interop as interop
from . import layers as layers
from . import losses as losses
from . import metrics as metrics
from . import models as models
from . import optimizers as optimizers
from . import preprocessing as preprocessing
from . import regularizers as regularizers
from . import schedules as schedules
from . import streaming as streaming
from . import text as text
from . import utils as utils
from .layers import Input as Input
from .models import Sequential as Sequential
from .saving import load_model as load_model
from .seq2seq import Seq2Seq as Seq2Seq

__version__ = "0.1.0"
