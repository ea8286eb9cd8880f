"""Chinese names and places. Characters stand with their toned syllable and, where it differs, the traditional form."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from tests.support.population.words import words


@dataclass(frozen=True, slots=True)
class Glyph:
    """One character or surname: simplified, with tone marks, without them, traditional."""

    han: str
    toned: str
    plain: str
    traditional: str


@dataclass(frozen=True, slots=True)
class Town:
    """A city with its province, districts, first digits of postcodes, and dialling code."""

    province: str
    city: str
    latin: str
    districts: tuple[str, ...]
    postcode: str
    dial: str


def _glyphs(text: str) -> tuple[Glyph, ...]:
    found = []
    for item in text.split():
        han, toned, *traditional = item.split(":")
        plain = "".join(c for c in unicodedata.normalize("NFD", toned.replace("ü", "v")) if c.isascii())
        found.append(Glyph(han, toned, plain, traditional[0] if traditional else han))
    return tuple(found)


SURNAMES = _glyphs(
    "王:wáng 李:lǐ 张:zhāng:張 刘:liú:劉 陈:chén:陳 杨:yáng:楊 黄:huáng:黃 赵:zhào:趙 吴:wú:吳 周:zhōu 徐:xú "
    "孙:sūn:孫 马:mǎ:馬 朱:zhū 胡:hú 郭:guō 何:hé 林:lín 高:gāo 罗:luó:羅 郑:zhèng:鄭 梁:liáng 谢:xiè:謝 "
    "宋:sòng 唐:táng 许:xǔ:許 韩:hán:韓 邓:dèng:鄧 冯:féng:馮 曹:cáo 彭:péng 曾:zēng 萧:xiāo:蕭 田:tián "
    "董:dǒng 潘:pān 袁:yuán 蔡:cài 蒋:jiǎng:蔣 余:yú 于:yú 杜:dù 叶:yè:葉 程:chéng 魏:wèi 苏:sū:蘇 吕:lǚ:呂 "
    "丁:dīng 任:rén 卢:lú:盧 姚:yáo 沈:shěn 钟:zhōng:鍾 姜:jiāng 崔:cuī 谭:tán:譚 陆:lù:陸 范:fàn:范 汪:wāng "
    "廖:liào 石:shí 金:jīn 韦:wéi:韋 贾:jiǎ:賈 夏:xià 付:fù 方:fāng 邹:zōu:鄒 熊:xióng 白:bái 孟:mèng 秦:qín "
    "邱:qiū 侯:hóu 江:jiāng 尹:yǐn 薛:xuē 闫:yán:閆 雷:léi 龙:lóng:龍 单:shàn:單 欧阳:ōuyáng:歐陽 "
    "司马:sīmǎ:司馬 上官:shàngguān 诸葛:zhūgě:諸葛"
)
MALE = _glyphs(
    "伟:wěi:偉 强:qiáng:強 磊:lěi 军:jūn:軍 勇:yǒng 杰:jié:傑 涛:tāo:濤 明:míng 超:chāo 刚:gāng:剛 平:píng "
    "辉:huī:輝 鹏:péng:鵬 飞:fēi:飛 斌:bīn 浩:hào 宇:yǔ 轩:xuān:軒 志:zhì 建:jiàn 国:guó:國 华:huá:華 文:wén "
    "博:bó 子:zǐ 涵:hán 俊:jùn 峰:fēng 龙:lóng:龍 波:bō 凯:kǎi:凱 东:dōng:東 海:hǎi 旭:xù 晨:chén 阳:yáng:陽 "
    "天:tiān 航:háng 毅:yì 健:jiàn 亮:liàng 庆:qìng:慶 春:chūn 成:chéng 康:kāng 新:xīn 林:lín 宏:hóng 立:lì "
    "永:yǒng 德:dé 世:shì 振:zhèn 玮:wěi:瑋 炜:wěi:煒 卫:wèi:衛 睿:ruì 泽:zé:澤"
)
FEMALE = _glyphs(
    "芳:fāng 娜:nà 敏:mǐn 静:jìng:靜 丽:lì:麗 艳:yàn:艷 娟:juān 霞:xiá 秀:xiù 英:yīng 兰:lán:蘭 红:hóng:紅 "
    "梅:méi 玲:líng 燕:yàn 洁:jié:潔 云:yún:雲 雪:xuě 婷:tíng 慧:huì 莹:yíng:瑩 颖:yǐng:穎 琳:lín 倩:qiàn "
    "佳:jiā 欣:xīn 怡:yí 雨:yǔ 梦:mèng:夢 瑶:yáo:瑤 琪:qí 思:sī 诗:shī:詩 嘉:jiā 美:měi 月:yuè 文:wén 萍:píng "
    "琴:qín 凤:fèng:鳳 晓:xiǎo:曉 丹:dān 璐:lù 蕾:lěi 薇:wēi 淑:shū 桂:guì 珍:zhēn 雅:yǎ 宁:níng:寧 悦:yuè:悅 "
    "彤:tóng 冰:bīng 菲:fēi 蓉:róng 巧:qiǎo 可:kě 心:xīn 若:ruò 子:zǐ 涵:hán"
)
WORDS = _glyphs(
    "华:huá:華 信:xìn 恒:héng:恆 达:dá:達 盛:shèng 鑫:xīn 瑞:ruì 泰:tài 丰:fēng:豐 源:yuán 创:chuàng:創 "
    "联:lián:聯 博:bó 金:jīn 安:ān 宏:hóng 远:yuǎn:遠 科:kē 讯:xùn:訊 天:tiān 海:hǎi 诚:chéng:誠 利:lì "
    "凯:kǎi:凱 德:dé 智:zhì 云:yún:雲 启:qǐ:啟 明:míng 康:kāng 佳:jiā 通:tōng 腾:téng:騰 飞:fēi:飛 卓:zhuó "
    "越:yuè 亿:yì:億 宝:bǎo:寶 莱:lái:萊 嘉:jiā 贝:bèi:貝 力:lì"
)
TRADES = (
    ("科技", "Technology"),
    ("贸易", "Trading"),
    ("电子", "Electronics"),
    ("建筑工程", "Construction"),
    ("物流", "Logistics"),
    ("食品", "Foods"),
    ("医药", "Pharmaceutical"),
    ("信息技术", "Information Technology"),
    ("文化传媒", "Media"),
    ("机械", "Machinery"),
    ("服装", "Garments"),
    ("餐饮管理", "Catering"),
    ("房地产开发", "Real Estate"),
    ("环保", "Environmental Protection"),
    ("教育咨询", "Education"),
    ("汽车销售", "Auto Sales"),
)
TOWNS = tuple(
    Town(province, city, latin, tuple(districts.split(",")), postcode, dial)
    for province, city, latin, districts, postcode, dial in (
        ("", "北京市", "Beijing", "朝阳区,海淀区,东城区,西城区,丰台区", "100", "10"),
        ("", "上海市", "Shanghai", "浦东新区,徐汇区,静安区,闵行区,黄浦区", "200", "21"),
        ("", "天津市", "Tianjin", "和平区,南开区,河西区", "300", "22"),
        ("", "重庆市", "Chongqing", "渝中区,江北区,沙坪坝区", "400", "23"),
        ("广东省", "广州市", "Guangzhou", "天河区,越秀区,海珠区,白云区", "510", "20"),
        ("广东省", "深圳市", "Shenzhen", "南山区,福田区,罗湖区,宝安区", "518", "755"),
        ("广东省", "东莞市", "Dongguan", "南城区,东城区", "523", "769"),
        ("浙江省", "杭州市", "Hangzhou", "西湖区,拱墅区,滨江区,余杭区", "310", "571"),
        ("浙江省", "宁波市", "Ningbo", "海曙区,鄞州区,江北区", "315", "574"),
        ("江苏省", "南京市", "Nanjing", "玄武区,鼓楼区,建邺区,江宁区", "210", "25"),
        ("江苏省", "苏州市", "Suzhou", "姑苏区,吴中区,相城区", "215", "512"),
        ("四川省", "成都市", "Chengdu", "锦江区,武侯区,青羊区,成华区", "610", "28"),
        ("湖北省", "武汉市", "Wuhan", "江汉区,武昌区,洪山区", "430", "27"),
        ("湖南省", "长沙市", "Changsha", "岳麓区,芙蓉区,雨花区", "410", "731"),
        ("陕西省", "西安市", "Xi'an", "雁塔区,碑林区,未央区", "710", "29"),
        ("山东省", "济南市", "Jinan", "历下区,市中区,槐荫区", "250", "531"),
        ("山东省", "青岛市", "Qingdao", "市南区,崂山区,黄岛区", "266", "532"),
        ("河南省", "郑州市", "Zhengzhou", "金水区,二七区,中原区", "450", "371"),
        ("福建省", "厦门市", "Xiamen", "思明区,湖里区,集美区", "361", "592"),
        ("辽宁省", "大连市", "Dalian", "中山区,沙河口区,甘井子区", "116", "411"),
        ("辽宁省", "沈阳市", "Shenyang", "和平区,沈河区,铁西区", "110", "24"),
        ("安徽省", "合肥市", "Hefei", "蜀山区,庐阳区,包河区", "230", "551"),
        ("云南省", "昆明市", "Kunming", "五华区,盘龙区,官渡区", "650", "871"),
        ("广西壮族自治区", "南宁市", "Nanning", "青秀区,西乡塘区", "530", "771"),
    )
)
ROADS = words(
    "人民路 中山路 解放路 建设路 和平路 长江路 黄河路 文化路 学府路 新华街 友谊大道 胜利街 光明路 幸福路 "
    "青年路 滨江大道 工业大道 科技路 迎宾大道 振兴街 朝阳街 花园路 劳动路 北京路 上海路 南京路 延安路 淮海路 "
    "复兴路 西湖大道"
)
MOBILE = ("138", "139", "136", "150", "151", "158", "159", "186", "188", "189", "177", "133", "199", "130", "131")
MAILS = ("qq.com", "163.com", "126.com", "sina.com", "foxmail.com", "gmail.com", "139.com")
