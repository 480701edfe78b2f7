"""Layers, as in Keras. They are descriptions: what a model is made of, not what computes it."""

from ._base import Layer as Layer
from ._base import Shape as Shape
from ._base import Weight as Weight
from ._bidirectional import Bidirectional as Bidirectional
from ._dense import Dense as Dense
from ._elementwise import Activation as Activation
from ._elementwise import Dropout as Dropout
from ._elementwise import GaussianNoise as GaussianNoise
from ._elementwise import RepeatVector as RepeatVector
from ._elementwise import SpatialDropout1D as SpatialDropout1D
from ._gru import GRU as GRU
from ._input import Input as Input
from ._lstm import LSTM as LSTM
from ._masking import Masking as Masking
from ._normalization import LayerNormalization as LayerNormalization
from ._pooling import Flatten as Flatten
from ._pooling import GlobalAveragePooling1D as GlobalAveragePooling1D
from ._pooling import GlobalMaxPooling1D as GlobalMaxPooling1D
from ._recurrent import RecurrentLayer as RecurrentLayer
from ._simple_rnn import SimpleRNN as SimpleRNN
from ._symbols import Embedding as Embedding
from ._symbols import OneHot as OneHot
from ._time_distributed import TimeDistributed as TimeDistributed

CLASSES: dict[str, type[Layer]] = {
    cls.__name__: cls
    for cls in (LSTM, GRU, SimpleRNN, Dense, TimeDistributed, RepeatVector, Activation, Dropout, OneHot, Embedding)
}
CLASSES |= {
    cls.__name__: cls
    for cls in (
        Bidirectional,
        Masking,
        SpatialDropout1D,
        GaussianNoise,
        LayerNormalization,
        Flatten,
        GlobalAveragePooling1D,
        GlobalMaxPooling1D,
    )
}
